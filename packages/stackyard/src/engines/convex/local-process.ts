import { startConvexLocal } from '@stackyard/convex-local';

/** The child process of the embedded engine. Everything arrives through the environment, the secret above all. */
function required(name: string): string {
  const value = process.env[name];
  if (!value) throw new Error(`${name} is not set`);
  return value;
}

const seconds = (name: string) => (process.env[name] ? Number(process.env[name]) * 1000 : undefined);
const functionTimeoutMs = seconds('DATABASE_UDF_USER_TIMEOUT_SECONDS');
const actionTimeoutMs = seconds('ACTIONS_USER_TIMEOUT_SECS');

const running = await startConvexLocal({
  dataDirectory: required('CONVEX_LOCAL_DATA'),
  host: required('CONVEX_LOCAL_HOST'),
  port: Number(required('CONVEX_LOCAL_PORT')),
  sitePort: Number(required('CONVEX_LOCAL_SITE_PORT')),
  instanceName: required('INSTANCE_NAME'),
  instanceSecret: required('INSTANCE_SECRET'),
  ...(process.env.CONVEX_CLOUD_ORIGIN ? { cloudOrigin: process.env.CONVEX_CLOUD_ORIGIN } : {}),
  ...(process.env.CONVEX_SITE_ORIGIN ? { siteOrigin: process.env.CONVEX_SITE_ORIGIN } : {}),
  ...(functionTimeoutMs === undefined ? {} : { functionTimeoutMs }),
  ...(actionTimeoutMs === undefined ? {} : { actionTimeoutMs }),
  log: (line) => console.log(line),
}).catch((error: Error & { code?: string }) => {
  if (error.code === undefined) throw error;
  console.error(`error ${error.code}: ${error.message}`);
  process.exit(1);
});
console.log(`serving ${running.url} and ${running.siteUrl}`);

let stopping = false;
for (const signal of ['SIGINT', 'SIGTERM'] as const) {
  process.on(signal, async () => {
    if (stopping) return;
    stopping = true;
    await running[Symbol.asyncDispose]();
    process.exit(0);
  });
}
