/** The kernel's program: `node main.js CONNECTION_FILE [--javascript]`. Jupyter starts it. */
import { Kernel } from './server/kernel.js';
import { keepPrivate, readConnection } from './wire/connection.js';

function log(text: string): void {
  process.stderr.write(`mambalab kernel: ${text}\n`);
}

/** Jupyter may be killed: a kernel without the process that started it has no use. */
function endWithParent(close: () => Promise<void>): void {
  if (process.env.JPY_PARENT_PID === undefined) return;
  const parent = process.ppid;
  setInterval(() => {
    if (process.ppid !== parent) void close().then(() => process.exit(0));
  }, 1000).unref();
}

const [file, flag] = process.argv.slice(2);
if (!file || file === '--help') {
  process.stdout.write(
    'Usage: node main.js CONNECTION_FILE [--javascript]\nJupyter starts this program.\n',
  );
  process.exit(file ? 0 : 2);
}
try {
  const connection = readConnection(file);
  keepPrivate(file, log);
  const language = flag === '--javascript' ? 'javascript' : 'typescript';
  const kernel = new Kernel(connection, process.cwd(), language, log);
  process.on('SIGINT', () => kernel.interrupt());
  process.on('SIGTERM', () => {
    void kernel.close().then(() => process.exit(0));
  });
  await kernel.start();
  endWithParent(() => kernel.close());
} catch (error) {
  log((error as Error).message);
  process.exit(1);
}
