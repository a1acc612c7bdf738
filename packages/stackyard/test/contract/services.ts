/** The programs that the services of the contract run, as files of the workspace. They need nothing but Node. */

/**
 * An HTTP server that tells what happens to it: a line in `events.log` of the workspace for each of "starts",
 * "healthy" and "stops". `/health` answers 503 until HEALTHY_AFTER milliseconds have passed, `/env` its
 * environment; with STUBBORN it hears SIGTERM but stays. `/die` makes it end with its last words.
 */
export const webService = `
import { appendFileSync } from 'node:fs';
import { createServer } from 'node:http';

const name = process.env.NAME;
const event = (text) => appendFileSync('events.log', name + ' ' + text + '\\n');
const began = Date.now();
const healthyAfter = Number(process.env.HEALTHY_AFTER ?? 0);
let told = false;
process.on('SIGTERM', () => {
  event('stops');
  if (!process.env.STUBBORN) process.exit(0);
});
event('starts');
console.log(name + ' says hello');
const server = createServer((request, response) => {
  if (request.url === '/env') return void response.end(JSON.stringify(process.env));
  if (request.url === '/die') {
    response.end();
    console.error('Error: listen EADDRINUSE: address already in use');
    process.exit(7);
  }
  const healthy = healthyAfter >= 0 && Date.now() - began >= healthyAfter;
  if (healthy && !told) event('healthy');
  told ||= healthy;
  response.statusCode = healthy ? 200 : 503;
  response.end(healthy ? 'fine' : 'still warming up');
});
server.listen(Number(process.env.PORT ?? 8080), process.env.PORT ? '127.0.0.1' : '0.0.0.0');
`;

/** A script that prints the variables it was given, then lives until it is asked to stop. */
export const devScript = `
const names = ['API_KEY', 'STORE_URL', 'STORE_HOST', 'STORE_PORT', 'CACHE_URL', 'LEAKED', 'FROM_FILE'];
for (const name of names) console.log(name + '=' + (process.env[name] ?? '(unset)'));
process.on('SIGTERM', () => {
  console.log('script stops');
  process.exit(0);
});
console.log('script is running');
setInterval(() => {}, 1000);
`;
