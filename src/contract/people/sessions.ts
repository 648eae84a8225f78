// Who is signed in: sessions of a browser, opened by people or with an API key.
import { type Static, Type } from 'typebox'
import { ACTOR_TYPES } from '#core/event.ts'
import { ROLES } from '#core/roles.ts'
import { SCOPE } from '../access.ts'
import { body, flag, nullable, oneOf, optional, text, time, uuid, whole } from '../common.ts'
import { route } from '../route.ts'

const tag = 'People'
const PASSWORD_LENGTH_MAX = 256
const SECRET_LENGTH_MAX = 512

export const ROLE = oneOf(
  ROLES,
  'viewer: reads. approver: also answers questions and approvals. operator: also triggers, cancels, and changes jobs and ' +
    'agents. admin: also keys and people.',
)
export const EMAIL = text(254, 'E-mail address; letters in any case mean the same.', {
  minLength: 3,
  pattern: '^\\s*[^\\s@]+@[^\\s@]+\\s*$',
})
export const USER_NAME = text(100, 'Name for other people.', { minLength: 1, pattern: '\\S' })
const password = (description: string) => text(PASSWORD_LENGTH_MAX, description, { minLength: 1 })

export const Session = Type.Object(
  {
    id: uuid('Id of the session.'),
    actor: Type.Object(
      {
        type: oneOf(ACTOR_TYPES, 'user, or api_key for a session that was opened with a key.'),
        id: uuid('Id of the user or key.'),
        name: Type.String({ description: 'Its name, for people.' }),
      },
      { title: 'SessionActor', description: 'In whose name calls of the session are made, as events show it.' },
    ),
    user: nullable(
      Type.Object({
        id: uuid('Id of the user.'),
        name: Type.String({ description: 'Name for other people.' }),
        email: nullable(Type.String(), 'E-mail address.'),
        has_password: flag('Whether they can sign in with a password.'),
        owner: flag('Whether they run the installation: admin of every project, with the scope projects.'),
      }),
      'The account of the person; null for a session of a key.',
    ),
    scopes: Type.Array(SCOPE, { description: 'What the session may do in this project, implied scopes included.' }),
    project_id: Type.String({
      description: 'The project of this call: of the header runyard-project, or the last one.',
    }),
    projects: Type.Array(
      Type.Object({
        id: Type.String({ description: 'Id of the project; send it as the header runyard-project.' }),
        name: Type.String({ description: 'Name for people.' }),
        role: nullable(ROLE, 'Role of the user there; null for a key.'),
      }),
      { description: 'The projects that the session reaches, by id; 500 at most.' },
    ),
    created_at: time('When it was opened.'),
    expires_at: time('When it ends, however much it is used; without use it ends earlier.'),
    version: Type.String({ description: 'Version of the server.' }),
  },
  { title: 'Session' },
)
export type Session = Static<typeof Session>

export const signIn = route({
  method: 'POST',
  path: '/v1/session',
  needs: 'nothing',
  tag,
  name: 'signIn',
  summary: 'Sign in: with an API key, an e-mail address and password, or a one-time link.',
  description:
    'Answers with a cookie: `__Host-runyard` over https, `runyard_session` over http. Calls with the cookie that change ' +
    'something must have an Origin equal to the host, as browsers send it; a header runyard-project chooses the project. ' +
    'Attempts are limited by account and by address.',
  body: body({
    api_key: optional(text(SECRET_LENGTH_MAX, 'An API key; the session may do what the key may, and ends with it.')),
    email: optional(EMAIL),
    password: optional(password('The password.')),
    link_token: optional(text(SECRET_LENGTH_MAX, 'What the one-time link carries behind `#token=`.')),
  }),
  replies: { 201: Session },
  refusals: ['unauthorized', 'rate_limited', 'link_over', 'email_taken', 'wrong_origin', 'overloaded'],
})

export const getSignIn = route({
  method: 'GET',
  path: '/v1/session/methods',
  needs: 'nothing',
  tag,
  name: 'getSignIn',
  summary: 'Get the ways to sign in to this installation.',
  replies: {
    200: Type.Object(
      {
        oidc: nullable(
          Type.Object({
            issuer: Type.String({ description: 'Identity provider.' }),
            url: Type.String({
              description: 'Address to send the browser to; `?return_to=` names the page to come back to.',
            }),
          }),
          'Sign-in with an identity provider; null where none is set up.',
        ),
      },
      { title: 'SignInMethods', description: 'Ways to sign in besides links, passwords and API keys.' },
    ),
  },
})

export const getSession = route({
  method: 'GET',
  path: '/v1/session',
  needs: 'session',
  tag,
  name: 'getSession',
  summary: 'Get who is signed in, what they may do, and in which projects.',
  replies: { 200: Session },
})

export const signOut = route({
  method: 'DELETE',
  path: '/v1/session',
  needs: 'session',
  tag,
  name: 'signOut',
  summary: 'Sign out.',
  replies: { 204: null },
})

export const changeProfile = route({
  method: 'PATCH',
  path: '/v1/session/profile',
  needs: 'session',
  tag,
  name: 'changeProfile',
  summary: 'Change your name or e-mail address; what is left out stays.',
  body: body({ name: optional(USER_NAME), email: optional(EMAIL) }),
  replies: { 200: Session },
})

export const changePassword = route({
  method: 'PUT',
  path: '/v1/session/password',
  needs: 'session',
  tag,
  name: 'changePassword',
  summary: 'Set or change your password; it ends all of your other sessions.',
  body: body({
    current_password: optional(password('The password until now; needed where there is one.')),
    password: password('The new password: 12 characters or more.'),
  }),
  replies: { 204: null },
  refusals: ['overloaded'],
})

const OpenSession = Type.Object(
  {
    id: uuid('Id of the session.'),
    current: flag('Whether it is the session of this call.'),
    address: Type.String({ description: 'Address that it was opened from.' }),
    user_agent: nullable(Type.String(), 'What the browser said it is.'),
    created_at: time('When it was opened.'),
    seen_at: time('When it was last used, to about a minute.'),
    expires_at: time('When it ends, however much it is used.'),
  },
  { title: 'OpenSession' },
)

export const listSessions = route({
  method: 'GET',
  path: '/v1/sessions',
  needs: 'session',
  tag,
  name: 'listSessions',
  summary: 'List your open sessions, newest first; 200 at most.',
  replies: {
    200: Type.Object({ data: Type.Array(OpenSession, { description: 'The sessions.' }) }, { title: 'OpenSessionList' }),
  },
})

export const endSession = route({
  method: 'DELETE',
  path: '/v1/sessions/:session_id',
  needs: 'session',
  tag,
  name: 'endSession',
  summary: 'End one of your sessions.',
  params: Type.Object({ session_id: uuid('Id of the session.') }),
  replies: { 204: null },
  refusals: ['session_not_found'],
})

export const endSessions = route({
  method: 'DELETE',
  path: '/v1/sessions',
  needs: 'session',
  tag,
  name: 'endSessions',
  summary: 'Sign out everywhere: end all of your sessions, this one included.',
  replies: { 200: Type.Object({ ended: whole(0, 1_000_000, 'How many there were.') }, { title: 'EndedSessions' }) },
})
