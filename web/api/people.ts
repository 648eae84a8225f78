// The calls about people, under the names of the contract.
import type * as sessions from '#contract/people/sessions.ts'
import type * as users from '#contract/people/users.ts'
import { call } from './call.ts'

export const listSessions = call<typeof sessions.listSessions>('GET', '/v1/sessions')
export const endSession = call<typeof sessions.endSession>('DELETE', '/v1/sessions/:session_id')
export const endSessions = call<typeof sessions.endSessions>('DELETE', '/v1/sessions')
export const changePassword = call<typeof sessions.changePassword>('PUT', '/v1/session/password')

export const listUsers = call<typeof users.listUsers>('GET', '/v1/users')
export const changeUser = call<typeof users.changeUser>('PATCH', '/v1/users/:user_id')
export const removeUser = call<typeof users.removeUser>('DELETE', '/v1/users/:user_id')
export const listInvitations = call<typeof users.listInvitations>('GET', '/v1/invitations')
export const createInvitation = call<typeof users.createInvitation>('POST', '/v1/invitations')
export const revokeInvitation = call<typeof users.revokeInvitation>('DELETE', '/v1/invitations/:invitation_id')

export type Role = Parameters<typeof createInvitation>[0]['role']
