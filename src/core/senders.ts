// Who signs the calls that reach hooks: each has its own way.
export const SENDERS = ['none', 'standard_webhooks', 'github', 'stripe', 'slack'] as const
export type Sender = (typeof SENDERS)[number]
