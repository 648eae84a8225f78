export const EVENT_FILTERS = [
  'type',
  'resource_type',
  'resource_id',
  'actor_type',
  'actor_id',
  'agent_id',
  'run_id',
  'correlation_id',
  'occurred_from',
  'occurred_to',
  'event',
] as const
