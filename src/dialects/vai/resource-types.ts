// The resource types of this API, and the mapping of ours to them. See docs/vai.md.
import { own } from '#core/own.ts'

export const RESOURCE_TYPES = [
  'action_run',
  'agent_spec',
  'artifact',
  'automation',
  'automation_run',
  'chat_thread',
  'connection',
  'decision',
  'flashboard',
  'inbound_message',
  'template',
] as const
export type ResourceType = (typeof RESOURCE_TYPES)[number]

const SHOWN_AS: Readonly<Record<string, ResourceType>> = {
  run: 'action_run',
  agent: 'agent_spec',
  policy: 'agent_spec',
  job: 'automation',
  schedule: 'automation',
  // What processes many runs by itself.
  operation: 'automation_run',
  batch: 'automation_run',
  input_request: 'decision',
  approval: 'decision',
  checkpoint: 'artifact',
  output: 'artifact',
  // Connections from and to this installation.
  webhook: 'connection',
  worker: 'connection',
  api_key: 'connection',
  tool: 'connection',
  project: 'connection',
  received_event: 'inbound_message',
  // What others are created from, or valued by.
  preset: 'template',
  price: 'template',
  ...(Object.fromEntries(RESOURCE_TYPES.map((type) => [type, type])) as Record<ResourceType, ResourceType>),
}

/** Clients may have types of their own: any without an equivalent is an artifact. */
const ANYTHING_ELSE: ResourceType = 'artifact'

export const shownAs = (resourceType: string): ResourceType => own(SHOWN_AS, resourceType) ?? ANYTHING_ELSE
