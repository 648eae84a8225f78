// The people of the project, their roles, and how they are invited.
import { useQuery } from '@tanstack/react-query'
import { useState } from 'react'
import {
  changeUser,
  createInvitation,
  listInvitations,
  listUsers,
  type Role,
  removeUser,
  revokeInvitation,
} from '../../api/people.ts'
import { useAct } from '../../parts/act.ts'
import { Answered } from '../../parts/answered.tsx'
import { Button } from '../../parts/button.tsx'
import { Confirm } from '../../parts/confirm.tsx'
import { Dialog, DialogActions } from '../../parts/dialog.tsx'
import { Empty, sentenceOf } from '../../parts/notes.tsx'
import { Panel } from '../../parts/panel.tsx'
import { ShownOnce } from '../../parts/shown-once.tsx'
import { Table } from '../../parts/table.tsx'
import { Time } from '../../parts/time.tsx'
import styles from './settings.module.css'

const ROLES: readonly Role[] = ['viewer', 'approver', 'operator', 'admin']
const roleOf = (text: string): Role => ROLES.find((it) => it === text) ?? 'viewer'

type User = Awaited<ReturnType<typeof listUsers>>['data'][number]

export function People() {
  return (
    <>
      <Users />
      <Invitations />
    </>
  )
}

function Users() {
  const [removing, setRemoving] = useState<User | undefined>()
  const query = useQuery({ queryKey: ['users'], queryFn: ({ signal }) => listUsers({ limit: 200 }, { signal }) })
  const change = useAct(changeUser, ['users', 'session'])
  const remove = useAct(() => removeUser({ user_id: removing?.id ?? '' }), ['users'])
  return (
    <Panel title="People">
      {change.error && (
        <p role="alert" className={styles.error}>
          {sentenceOf(change.error)}
        </p>
      )}
      <Answered query={query} what="The people">
        {({ data }) =>
          data.length === 0 ? (
            <Empty title="Nobody has an account here yet">Invite the first person below.</Empty>
          ) : (
            <Table
              label="People"
              rows={data}
              keyOf={({ id }) => id}
              columns={[
                { name: 'Name', cell: ({ name, owner }) => (owner ? `${name} (owner)` : name) },
                { name: 'E-mail', cell: ({ email }) => email ?? '–', wide: true },
                {
                  name: 'Role',
                  cell: ({ id, name, role, owner }) => (
                    <select
                      aria-label={`Role of ${name}`}
                      value={role}
                      disabled={owner || change.isPending}
                      onChange={({ target }) => change.mutate({ user_id: id, role: roleOf(target.value) })}
                    >
                      {ROLES.map((it) => (
                        <option key={it}>{it}</option>
                      ))}
                    </select>
                  ),
                },
                { name: 'Seen', cell: ({ last_seen_at }) => <Time at={last_seen_at} none="never" />, wide: true },
                {
                  name: '',
                  right: true,
                  cell: (user) => (
                    <Button look="danger" onClick={() => setRemoving(user)}>
                      Remove …
                    </Button>
                  ),
                },
              ]}
            />
          )
        }
      </Answered>
      <Confirm
        open={removing !== undefined}
        onClose={() => setRemoving(undefined)}
        title={`Remove ${removing?.name ?? ''} from the project`}
        verb="Remove"
        isDanger
        act={() => remove.mutateAsync()}
      >
        With their last project their account and sessions end. What they did stays in the log under their name.
      </Confirm>
    </Panel>
  )
}

function Invitations() {
  const [isMaking, setMaking] = useState(false)
  const query = useQuery({
    queryKey: ['invitations'],
    queryFn: ({ signal }) => listInvitations({ limit: 100 }, { signal }),
  })
  const revoke = useAct((invitation_id: string) => revokeInvitation({ invitation_id }), ['invitations'])
  return (
    <Panel title="Invitations" tools={<Button onClick={() => setMaking(true)}>Invite …</Button>}>
      <Answered query={query} what="The invitations">
        {({ data }) =>
          data.length === 0 ? (
            <Empty title="No invitations">A person is invited by a link that works once.</Empty>
          ) : (
            <Table
              label="Invitations"
              rows={data}
              keyOf={({ id }) => id}
              columns={[
                { name: 'For', cell: ({ name, email }) => name ?? email ?? 'whoever opens it' },
                { name: 'Role', cell: ({ role }) => role },
                { name: 'Made', cell: ({ created_at }) => <Time at={created_at} />, wide: true },
                {
                  name: 'State',
                  cell: ({ used_at, revoked_at, expires_at }) =>
                    used_at !== null ? 'used' : revoked_at !== null ? 'revoked' : <Time at={expires_at} />,
                },
                {
                  name: '',
                  right: true,
                  cell: ({ id, used_at, revoked_at }) =>
                    used_at === null &&
                    revoked_at === null && (
                      <Button look="danger" disabled={revoke.isPending} onClick={() => revoke.mutate(id)}>
                        Revoke
                      </Button>
                    ),
                },
              ]}
            />
          )
        }
      </Answered>
      <Dialog open={isMaking} onClose={() => setMaking(false)} title="Invite a person">
        <Invite onClose={() => setMaking(false)} />
      </Dialog>
    </Panel>
  )
}

function Invite({ onClose }: { onClose: () => void }) {
  const [role, setRole] = useState<Role>('viewer')
  const [name, setName] = useState('')
  const [email, setEmail] = useState('')
  const make = useAct(
    () =>
      createInvitation({
        role,
        ...(name.trim() && { name: name.trim() }),
        ...(email.trim() && { email: email.trim() }),
      }),
    ['invitations'],
  )
  if (make.data)
    return <ShownOnce what="link" text={make.data.url} note="Send it to them; it works once." onClose={onClose} />
  return (
    <>
      <label className={styles.field}>
        Role
        <select value={role} onChange={({ target }) => setRole(roleOf(target.value))}>
          {ROLES.map((it) => (
            <option key={it}>{it}</option>
          ))}
        </select>
      </label>
      <label className={styles.field}>
        Name (optional)
        <input value={name} maxLength={100} onChange={({ target }) => setName(target.value)} />
      </label>
      <label className={styles.field}>
        E-mail (optional)
        <input type="email" value={email} onChange={({ target }) => setEmail(target.value)} />
      </label>
      {make.error && (
        <p role="alert" className={styles.error}>
          {sentenceOf(make.error)}
        </p>
      )}
      <DialogActions>
        <Button onClick={onClose}>Close</Button>
        <Button look="main" disabled={make.isPending} onClick={() => make.mutate()}>
          Make the link
        </Button>
      </DialogActions>
    </>
  )
}
