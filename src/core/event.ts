// The vocabulary of the log: actors, levels, and the parts of an event.

export const ACTOR_TYPES = ['user', 'api_key', 'agent', 'worker', 'system', 'schedule', 'hook'] as const
export type ActorType = (typeof ACTOR_TYPES)[number]
export type Actor = { type: ActorType; id: string | null }

export const SYSTEM: Actor = { type: 'system', id: null }

export const LEVELS = ['debug', 'info', 'warn', 'error'] as const
export type Level = (typeof LEVELS)[number]

/** Why something is done: who asks, and the causal chain that it belongs to. */
export type Cause = { actor: Actor; correlationId?: string; causationId?: string }
