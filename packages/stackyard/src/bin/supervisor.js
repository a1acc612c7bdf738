// The process that owns a stack between `stackyard up` and `stackyard down`. Its argument is a SupervisorRequest.
import './compile-cache.js';

const { supervise, tellOn } = await import('../supervisor/supervise.ts');
process.exitCode = await supervise(JSON.parse(process.argv[2]), tellOn(3));
