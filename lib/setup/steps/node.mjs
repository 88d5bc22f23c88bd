import { toolFailure } from '../failure.mjs';
import { nodeIsSupported } from '../tools.mjs';

export const node = {
  name: 'node',
  title: 'Node.js version',
  doing: 'checking Node.js',
  isDone: () => nodeIsSupported(),
  run() {
    throw toolFailure('node', `Node.js ${process.versions.node} is not supported`);
  },
};
