// The people of a project, their roles, and how they are invited.
import { Type } from 'typebox'
import {
  body,
  flag,
  listOf,
  nullable,
  optional,
  paging,
  query,
  time,
  timeOrNull,
  uuid,
  whole,
  withDefault,
} from '../common.ts'
import { route } from '../route.ts'
import { EMAIL, ROLE, USER_NAME } from './sessions.ts'

const tag = 'People'

export const User = Type.Object(
  {
    id: uuid('Id of the user, as events show it.'),
    name: Type.String({ description: 'Name for other people.' }),
    email: nullable(Type.String(), 'E-mail address.'),
    role: ROLE,
    owner: flag('Whether they run the installation; then they are admin of every project.'),
    has_password: flag('Whether they can sign in with a password.'),
    created_at: time('When the account was made.'),
    last_seen_at: timeOrNull('When one of their open sessions was last used, to about a minute.'),
  },
  { title: 'User' },
)

const UserPath = Type.Object({ user_id: uuid('Id of the user.') })

export const listUsers = route({
  method: 'GET',
  path: '/v1/users',
  needs: 'admin',
  tag,
  name: 'listUsers',
  summary: "List the people of the caller's project, newest first.",
  query: query(paging),
  replies: { 200: listOf(User, 'UserList') },
  refusals: ['invalid_cursor'],
})

export const getUser = route({
  method: 'GET',
  path: '/v1/users/:user_id',
  needs: 'admin',
  tag,
  name: 'getUser',
  summary: 'Get a person of the project.',
  params: UserPath,
  replies: { 200: User },
  refusals: ['user_not_found'],
})

export const changeUser = route({
  method: 'PATCH',
  path: '/v1/users/:user_id',
  needs: 'admin',
  tag,
  name: 'changeUser',
  summary: 'Change the role of a person in the project; takes effect at once, in open sessions too.',
  params: UserPath,
  body: body({
    role: optional(ROLE),
    owner: optional(flag('Whether they run the installation; the scope projects is needed to decide it.')),
  }),
  replies: { 200: User },
  refusals: ['user_not_found', 'exceeds_own_rights', 'last_owner'],
})

export const removeUser = route({
  method: 'DELETE',
  path: '/v1/users/:user_id',
  needs: 'admin',
  tag,
  name: 'removeUser',
  summary: 'Remove a person from the project; with their last project their account and sessions end.',
  params: UserPath,
  replies: { 204: null },
  refusals: ['user_not_found', 'exceeds_own_rights', 'last_owner'],
})

const linkSecret = Type.String({
  description: 'The address to open, with the secret. Shown once; only its hash is kept.',
})

export const createUserLink = route({
  method: 'POST',
  path: '/v1/users/:user_id/link',
  needs: 'projects',
  tag,
  name: 'createUserLink',
  // The reply holds a secret, which is shown once and kept nowhere.
  keepsReply: false,
  summary: 'Create a one-time link that signs a person in who cannot otherwise; it works for a day.',
  params: UserPath,
  replies: {
    201: Type.Object({ url: linkSecret, expires_at: time('When it ends, if nobody opens it.') }, { title: 'UserLink' }),
  },
  refusals: ['user_not_found', 'exceeds_own_rights'],
})

export const endUserSessions = route({
  method: 'DELETE',
  path: '/v1/users/:user_id/sessions',
  needs: 'projects',
  tag,
  name: 'endUserSessions',
  summary: 'End all sessions of a person.',
  params: UserPath,
  replies: { 200: Type.Object({ ended: whole(0, 1_000_000, 'How many there were.') }, { title: 'EndedUserSessions' }) },
  refusals: ['user_not_found'],
})

const invitation = {
  id: uuid('Id of the invitation.'),
  role: ROLE,
  email: nullable(Type.String(), 'E-mail address of the account that it makes.'),
  name: nullable(Type.String(), 'Name of the account that it makes.'),
  created_at: time('When it was made.'),
  created_by: nullable(Type.String(), 'Id of the user or key that made it.'),
  expires_at: time('When it ends, if nobody opens it.'),
  used_at: timeOrNull('When it was opened.'),
  used_by: nullable(Type.String(), 'Id of the user who opened it.'),
  revoked_at: timeOrNull('When it was revoked.'),
}
export const Invitation = Type.Object(invitation, { title: 'Invitation' })

export const createInvitation = route({
  method: 'POST',
  path: '/v1/invitations',
  needs: 'admin',
  tag,
  name: 'createInvitation',
  // The reply holds a secret, which is shown once and kept nowhere.
  keepsReply: false,
  summary: 'Invite a person to the project by a one-time link.',
  description:
    'Who opens it and has no account gets one. Somebody who is signed in accepts it by POST /v1/invitations/accept, and ' +
    'joins the project with the account that they have.',
  body: body({
    role: ROLE,
    email: optional(EMAIL),
    name: optional(USER_NAME),
    expires_in_hours: withDefault(whole(1, 720, 'Hours after which it ends by itself.'), 168),
  }),
  replies: { 201: Type.Object({ ...invitation, url: linkSecret }, { title: 'NewInvitation' }) },
  refusals: ['exceeds_own_rights'],
})

export const listInvitations = route({
  method: 'GET',
  path: '/v1/invitations',
  needs: 'admin',
  tag,
  name: 'listInvitations',
  summary: 'List the invitations to the project, newest first, used ones included.',
  query: query(paging),
  replies: { 200: listOf(Invitation, 'InvitationList') },
  refusals: ['invalid_cursor'],
})

export const revokeInvitation = route({
  method: 'DELETE',
  path: '/v1/invitations/:invitation_id',
  needs: 'admin',
  tag,
  name: 'revokeInvitation',
  summary: 'Revoke an invitation.',
  params: Type.Object({ invitation_id: uuid('Id of the invitation.') }),
  replies: { 204: null },
  refusals: ['invitation_not_found'],
})

export const acceptInvitation = route({
  method: 'POST',
  path: '/v1/invitations/accept',
  needs: 'session',
  tag,
  name: 'acceptInvitation',
  summary: 'Accept an invitation with the account that is signed in.',
  body: body({ link_token: Type.String({ maxLength: 512, description: 'What the link carries behind `#token=`.' }) }),
  replies: {
    200: Type.Object({ project_id: Type.String({ description: 'The project that was joined.' }) }, { title: 'Joined' }),
  },
  refusals: ['link_over'],
})
