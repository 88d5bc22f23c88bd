/** The kernel's program: `node main.js CONNECTION_FILE`. Jupyter starts it. */
import { Kernel } from './server/kernel.js';
import { readConnection } from './wire/connection.js';

function log(text: string): void {
  process.stderr.write(`mambalab kernel: ${text}\n`);
}

const [file] = process.argv.slice(2);
if (!file || file === '--help') {
  process.stdout.write('Usage: node main.js CONNECTION_FILE\nJupyter starts this program.\n');
  process.exit(file ? 0 : 2);
}
try {
  const connection = readConnection(file);
  const kernel = new Kernel(connection, process.cwd(), log);
  process.on('SIGINT', () => kernel.interrupt());
  process.on('SIGTERM', () => {
    void kernel.close().then(() => process.exit(0));
  });
  await kernel.start(connection);
} catch (error) {
  log((error as Error).message);
  process.exit(1);
}
