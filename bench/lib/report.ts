// What a bench says: one line of JSON for programs, and one line for people.

export type Result = {
  bench: string
  /** Ours, the peer's, and ours divided by the peer's, so that more is better; `unit` says of what. */
  ours: number
  peer: number | null
  ratio: number | null
  unit: string
  /** What the ratio ought to be, from the budgets. */
  target?: number
  [detail: string]: unknown
}

export function report(result: Result, words: string): void {
  process.stdout.write(`${JSON.stringify(result)}\n`)
  say(`${result.bench}: ${words}`)
}

export function say(line: string): void {
  process.stderr.write(`${line}\n`)
}
