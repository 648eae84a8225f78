// The calls about alerts, under the names of the contract.
import type * as channels from '#contract/alerts/channels.ts'
import type * as rules from '#contract/alerts/rules.ts'
import { call } from './call.ts'

export const listAlerts = call<typeof rules.listAlerts>('GET', '/v1/alerts')

export const listRules = call<typeof rules.listAlertRules>('GET', '/v1/alerts/rules')
export const createRule = call<typeof rules.createAlertRule>('POST', '/v1/alerts/rules')
export const updateRule = call<typeof rules.updateAlertRule>('PATCH', '/v1/alerts/rules/:rule_id')
export const deleteRule = call<typeof rules.deleteAlertRule>('DELETE', '/v1/alerts/rules/:rule_id')

export const listChannels = call<typeof channels.listAlertChannels>('GET', '/v1/alerts/channels')
export const createChannel = call<typeof channels.createAlertChannel>('POST', '/v1/alerts/channels')
export const deleteChannel = call<typeof channels.deleteAlertChannel>('DELETE', '/v1/alerts/channels/:channel_id')
export const testChannel = call<typeof channels.testAlertChannel>('POST', '/v1/alerts/channels/:channel_id/test')
export const listMessages = call<typeof channels.listAlertMessages>('GET', '/v1/alerts/channels/:channel_id/messages')

export type Rule = Awaited<ReturnType<typeof listRules>>['data'][number]
export type Channel = Awaited<ReturnType<typeof listChannels>>['data'][number]
