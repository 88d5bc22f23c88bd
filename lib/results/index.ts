export {
  type CompletionRow,
  columnsOf,
  type ResultsColumns,
  type ResultsTable,
  tableOf,
  type Verdict,
} from './table.js';
