// The package's entry `runyard/react`: hooks that show a run while it works. React is installed by whoever uses it.
export { type ChunksState, useChunks } from '../react/use-chunks.ts'
export { type RunState, useRun } from '../react/use-run.ts'
