import { useQuery } from '@tanstack/react-query'
import { useState } from 'react'
import { SCOPES, type Scope } from '#core/scopes.ts'
import { createKey, listKeys, revokeKey } from '../../api/calls.ts'
import { useMay } from '../../api/session.ts'
import { useAct } from '../../parts/act.ts'
import { Answered } from '../../parts/answered.tsx'
import { Button } from '../../parts/button.tsx'
import { Confirm } from '../../parts/confirm.tsx'
import { Dialog, DialogActions } from '../../parts/dialog.tsx'
import { sentenceOf } from '../../parts/notes.tsx'
import { Panel } from '../../parts/panel.tsx'
import { ShownOnce } from '../../parts/shown-once.tsx'
import { Table } from '../../parts/table.tsx'
import { Time } from '../../parts/time.tsx'
import { RotateKey } from './rotate-key.tsx'
import styles from './settings.module.css'

type Key = Awaited<ReturnType<typeof listKeys>>['data'][number]

const PRESETS: Readonly<Record<string, readonly Scope[]>> = {
  viewer: ['runs:read', 'jobs:read', 'events:read', 'agents:read'],
  worker: ['workers'],
  operator: [
    'runs:read',
    'runs:write',
    'jobs:read',
    'jobs:write',
    'events:read',
    'events:write',
    'agents:read',
    'agents:write',
  ],
  admin: ['admin'],
}

export function Keys() {
  const [isMaking, setMaking] = useState(false)
  const [revoking, setRevoking] = useState<Key | undefined>()
  const [rotating, setRotating] = useState<Key | undefined>()
  const query = useQuery({ queryKey: ['keys'], queryFn: ({ signal }) => listKeys({ limit: 200 }, { signal }) })
  const revoke = useAct(() => revokeKey({ key_id: revoking?.id ?? '' }), ['keys'])
  return (
    <Panel title="API keys" tools={<Button onClick={() => setMaking(true)}>Create a key …</Button>}>
      <Answered query={query} what="The keys">
        {({ data }) => (
          <Table
            label="API keys"
            rows={data}
            keyOf={({ id }) => id}
            columns={[
              { name: 'Name', cell: ({ name }) => name },
              { name: 'Begins', cell: ({ prefix }) => <code>{prefix}…</code> },
              { name: 'Scopes', cell: ({ scopes }) => scopes.join(', '), wide: true },
              { name: 'Last used', cell: ({ last_used_at }) => <Time at={last_used_at} none="never" />, wide: true },
              { name: 'Ends', cell: ({ expires_at }) => <Time at={expires_at} none="never" />, wide: true },
              {
                name: '',
                right: true,
                cell: (key) =>
                  key.revoked_at === null ? (
                    <span className={styles.actions}>
                      {!hasEnded(key) && <Button onClick={() => setRotating(key)}>Rotate …</Button>}
                      <Button look="danger" onClick={() => setRevoking(key)}>
                        Revoke …
                      </Button>
                    </span>
                  ) : (
                    <>
                      revoked <Time at={key.revoked_at} />
                    </>
                  ),
              },
            ]}
          />
        )}
      </Answered>
      <Confirm
        open={revoking !== undefined}
        onClose={() => setRevoking(undefined)}
        title={`Revoke the key ${revoking?.name ?? ''}`}
        verb="Revoke"
        isDanger
        act={() => revoke.mutateAsync()}
      >
        Immediately and permanently. It was last used <Time at={revoking?.last_used_at} none="never" />.
      </Confirm>
      <Dialog
        open={rotating !== undefined}
        onClose={() => setRotating(undefined)}
        title={`Rotate the key ${rotating?.name ?? ''}`}
      >
        {rotating && <RotateKey keyId={rotating.id} onClose={() => setRotating(undefined)} />}
      </Dialog>
      <Dialog open={isMaking} onClose={() => setMaking(false)} title="Create a key">
        <NewKey onClose={() => setMaking(false)} />
      </Dialog>
    </Panel>
  )
}

const hasEnded = ({ expires_at }: Key): boolean => expires_at !== null && Date.parse(expires_at) <= Date.now()

function NewKey({ onClose }: { onClose: () => void }) {
  const may = useMay()
  const [name, setName] = useState('')
  const [scopes, setScopes] = useState<ReadonlySet<Scope>>(new Set())
  const make = useAct(() => createKey({ name: name.trim(), scopes: [...scopes] }), ['keys'])
  if (make.data) return <ShownOnce what="key" text={make.data.key} onClose={onClose} />
  const toggle = (scope: Scope) => {
    const next = new Set(scopes)
    if (!next.delete(scope)) next.add(scope)
    setScopes(next)
  }
  return (
    <>
      <label className={styles.field}>
        What it is for
        <input value={name} maxLength={255} onChange={({ target }) => setName(target.value)} />
      </label>
      <div className={styles.row}>
        {Object.entries(PRESETS).map(([preset, its]) => (
          <Button key={preset} disabled={!its.every(may)} onClick={() => setScopes(new Set(its))}>
            {preset}
          </Button>
        ))}
      </div>
      <fieldset className={styles.scopes}>
        <legend>Scopes (those that you lack cannot be given)</legend>
        {SCOPES.map((scope) => (
          <label key={scope}>
            <input type="checkbox" checked={scopes.has(scope)} disabled={!may(scope)} onChange={() => toggle(scope)} />
            {scope}
          </label>
        ))}
      </fieldset>
      {make.error && (
        <p role="alert" className={styles.error}>
          {sentenceOf(make.error)}
        </p>
      )}
      <DialogActions>
        <Button onClick={onClose}>Close</Button>
        <Button
          look="main"
          disabled={name.trim() === '' || scopes.size === 0 || make.isPending}
          onClick={() => make.mutate()}
        >
          Create
        </Button>
      </DialogActions>
    </>
  )
}
