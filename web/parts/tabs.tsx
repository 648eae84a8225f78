// Tabs whose choice stands in the address, so that a link leads to what was looked at.
import { Link } from '@tanstack/react-router'
import styles from './tabs.module.css'

type TabsProps = {
  label: string
  current: string
  tabs: readonly { id: string; name: string; count?: number | undefined }[]
}

export function Tabs({ label, current, tabs }: TabsProps) {
  return (
    <nav className={styles.tabs} aria-label={label}>
      {tabs.map(({ id, name, count }, index) => (
        <Link
          key={id}
          to="."
          search={(search) => tabbed(search, index === 0 ? undefined : id)}
          replace
          resetScroll={false}
          activeOptions={{ exact: false }}
          activeProps={{}}
          aria-current={id === current ? 'page' : undefined}
          data-current={id === current}
        >
          {name}
          {count !== undefined && count > 0 && <sup>{count}</sup>}
        </Link>
      ))}
    </nav>
  )
}

/** The first tab is the one that an address without any leads to. */
function tabbed<Search extends object>(
  search: Search,
  tab: string | undefined,
): Omit<Search, 'tab'> & { tab?: string } {
  const { tab: _, ...rest } = search as Search & { tab?: unknown }
  return tab === undefined ? rest : { ...rest, tab }
}
