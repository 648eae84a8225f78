// The words of the log: who did it, how loud it is, and what an event is made of.

export const ACTOR_TYPES = ['user', 'api_key', 'agent', 'worker', 'system', 'schedule'] as const
export type ActorType = (typeof ACTOR_TYPES)[number]
export type Actor = { type: ActorType; id: string | null }

export const SYSTEM: Actor = { type: 'system', id: null }

export const LEVELS = ['debug', 'info', 'warn', 'error'] as const
export type Level = (typeof LEVELS)[number]

/** Why something is done: who asks, and which chain of causes the asking belongs to. */
export type Cause = { actor: Actor; correlationId?: string; causationId?: string }
