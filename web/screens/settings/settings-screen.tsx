import { useSearch } from '@tanstack/react-router'
import { useMay } from '../../api/session.ts'
import { Tabs } from '../../parts/tabs.tsx'
import { useTitle } from '../../parts/title.ts'
import { one } from '../../routing/search.ts'
import { Account } from './account.tsx'
import { Alerts } from './alerts/alerts.tsx'
import { Connect } from './connect.tsx'
import { Keys } from './keys.tsx'
import { People } from './people.tsx'
import { Seals } from './seals.tsx'
import { Webhooks } from './webhooks/webhooks.tsx'

export function SettingsScreen() {
  useTitle('Settings')
  const { tab } = useSearch({ from: '/signed-in/settings' })
  const may = useMay()
  const tabs = [
    { id: 'account', name: 'You' },
    { id: 'connect', name: 'Connect' },
    ...(may('keys') ? [{ id: 'keys', name: 'Keys' }] : []),
    ...(may('admin') ? [{ id: 'people', name: 'People' }] : []),
    ...(may('events:read')
      ? [
          { id: 'webhooks', name: 'Webhooks' },
          { id: 'alerts', name: 'Alerts' },
          { id: 'seals', name: 'Log and seals' },
        ]
      : []),
  ]
  const current = tabs.find(({ id }) => id === one(tab))?.id ?? 'account'
  return (
    <>
      <h1>Settings</h1>
      <Tabs label="Settings" current={current} tabs={tabs} />
      {current === 'account' && <Account />}
      {current === 'connect' && <Connect />}
      {current === 'keys' && <Keys />}
      {current === 'people' && <People />}
      {current === 'webhooks' && <Webhooks />}
      {current === 'alerts' && <Alerts />}
      {current === 'seals' && <Seals />}
    </>
  )
}
