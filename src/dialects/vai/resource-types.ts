// The kinds of things that events of this surface are about, and which of them ours are. See docs/vai.md.
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
  // What goes through many runs by itself.
  operation: 'automation_run',
  batch: 'automation_run',
  input_request: 'decision',
  approval: 'decision',
  checkpoint: 'artifact',
  output: 'artifact',
  // How others reach this installation, or it reaches them.
  webhook: 'connection',
  worker: 'connection',
  api_key: 'connection',
  tool: 'connection',
  project: 'connection',
  received_event: 'inbound_message',
  // What others are made from, or valued by.
  preset: 'template',
  price: 'template',
  ...(Object.fromEntries(RESOURCE_TYPES.map((type) => [type, type])) as Record<ResourceType, ResourceType>),
}

/** Clients may have kinds of their own: what the surface has no word for, somebody made. */
const ANYTHING_ELSE: ResourceType = 'artifact'

export const shownAs = (resourceType: string): ResourceType => own(SHOWN_AS, resourceType) ?? ANYTHING_ELSE
