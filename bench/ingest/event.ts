// The event that all contestants of the ingest bench take.
export const RUNS = 1_000
export const TYPE = 'agent.tool_call.completed'

export const runIdOf = (nth: number): string => `bench-${nth % RUNS}`

export const eventOf = (nth: number) => ({
  type: TYPE,
  run_id: runIdOf(nth),
  tool: 'search',
  message: 'searched the index',
  duration_ms: 180,
  data: { hits: 3, query: 'the weather in spring' },
})
