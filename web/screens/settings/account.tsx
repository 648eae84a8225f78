import { useSession } from '../../api/session.ts'
import { setPreferences, usePreferences } from '../../look/preferences.ts'
import { zoneName } from '../../look/times.ts'
import { Facts, Panel } from '../../parts/panel.tsx'
import { Time } from '../../parts/time.tsx'
import { Password } from './password.tsx'
import { Sessions } from './sessions.tsx'
import styles from './settings.module.css'

const THEMES = ['system', 'light', 'dark'] as const
const CLOCKS = ['relative', 'local', 'utc'] as const

export function Account() {
  const session = useSession()
  const { theme, clock } = usePreferences()
  if (!session) return null
  return (
    <>
      <Panel title="You" pad>
        <Facts
          items={[
            ['Name', session.actor.name],
            ['Signed in as', session.actor.type === 'user' ? 'a person' : 'an API key'],
            ['Project', session.project_id],
            ['Scopes', session.scopes.join(', ')],
            ['Session ends', <Time key="ends" at={session.expires_at} />],
            ['Server', session.version],
          ]}
        />
      </Panel>
      <Sessions />
      {session.user && <Password hasOne={session.user.has_password} />}
      <Panel title="Appearance" pad>
        <div className={styles.row}>
          <label>
            Theme{' '}
            <select
              value={theme}
              onChange={({ target }) => setPreferences({ theme: THEMES.find((it) => it === target.value) ?? 'system' })}
            >
              {THEMES.map((it) => (
                <option key={it}>{it}</option>
              ))}
            </select>
          </label>
          <label>
            Times{' '}
            <select
              value={clock}
              onChange={({ target }) =>
                setPreferences({ clock: CLOCKS.find((it) => it === target.value) ?? 'relative' })
              }
            >
              {CLOCKS.map((it) => (
                <option key={it} value={it}>
                  {it === 'local' ? zoneName() : it}
                </option>
              ))}
            </select>
          </label>
        </div>
      </Panel>
    </>
  )
}
