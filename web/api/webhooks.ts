// The calls about webhooks, under the names of the contract.
import type * as webhooks from '#contract/webhooks.ts'
import { call } from './call.ts'

export type Webhook = webhooks.Webhook

export const listWebhooks = call<typeof webhooks.listWebhooks>('GET', '/v1/webhooks')
export const createWebhook = call<typeof webhooks.createWebhook>('POST', '/v1/webhooks')
export const getWebhook = call<typeof webhooks.getWebhook>('GET', '/v1/webhooks/:webhook_id')
export const updateWebhook = call<typeof webhooks.updateWebhook>('PATCH', '/v1/webhooks/:webhook_id')
export const deleteWebhook = call<typeof webhooks.deleteWebhook>('DELETE', '/v1/webhooks/:webhook_id')
export const pauseWebhook = call<typeof webhooks.pauseWebhook>('POST', '/v1/webhooks/:webhook_id/pause')
export const resumeWebhook = call<typeof webhooks.resumeWebhook>('POST', '/v1/webhooks/:webhook_id/resume')
export const rotateWebhookSecret = call<typeof webhooks.rotateWebhookSecret>('POST', '/v1/webhooks/:webhook_id/rotate')
export const replayWebhook = call<typeof webhooks.replayWebhook>('POST', '/v1/webhooks/:webhook_id/replay')
export const testWebhook = call<typeof webhooks.testWebhook>('POST', '/v1/webhooks/:webhook_id/test')
export const listDeliveries = call<typeof webhooks.listWebhookDeliveries>('GET', '/v1/webhooks/:webhook_id/deliveries')
export const getDelivery = call<typeof webhooks.getWebhookDelivery>(
  'GET',
  '/v1/webhooks/:webhook_id/deliveries/:delivery_id',
)
