// What clients were told. Afterwards it is held against the database: what was told must be true.

/** `fails`: its worker says so, without another attempt. `fails-once`: the first attempt does. */
export type Plan = 'completes' | 'fails' | 'fails-once'

export type Oracle = {
  /** By run id; each was answered with 200 or 201. */
  accepted: Map<string, { plan: Plan; key: string }>
  /** By run id, the tokens of attempts whose end was acknowledged, with the state that was told. */
  ended: Map<string, { token: string; status: string }[]>
  /** Reserved or settled, as told, by authorization id. */
  allowed: Map<string, { agent: string; cost: number }>
  blocked: number
  /** By the name of a stream, the ids of events in the order in which they came. */
  streamed: Map<string, string[]>
  /** Answers that no client can do anything with. */
  odd: string[]
}

export const newOracle = (): Oracle => ({
  accepted: new Map(),
  ended: new Map(),
  allowed: new Map(),
  blocked: 0,
  streamed: new Map(),
  odd: [],
})
