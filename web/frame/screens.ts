// The screens of the rail, in its order, and the letter that goes there after g.
import {
  Activity,
  Bot,
  ChartColumn,
  House,
  Inbox,
  ListTree,
  type LucideIcon,
  Package,
  RefreshCw,
  Settings,
  TriangleAlert,
} from 'lucide-react'

export type ScreenPath =
  | '/'
  | '/runs'
  | '/failures'
  | '/inbox'
  | '/agents'
  | '/events'
  | '/jobs'
  | '/usage'
  | '/operations'
  | '/settings'

export type Screen = { path: ScreenPath; name: string; key: string; icon: LucideIcon; isOnBar?: true }

export const SCREENS: readonly Screen[] = [
  { path: '/', name: 'Home', key: 'h', icon: House, isOnBar: true },
  { path: '/runs', name: 'Runs', key: 'r', icon: ListTree, isOnBar: true },
  { path: '/failures', name: 'Failures', key: 'f', icon: TriangleAlert },
  { path: '/inbox', name: 'Inbox', key: 'i', icon: Inbox, isOnBar: true },
  { path: '/agents', name: 'Agents', key: 'a', icon: Bot, isOnBar: true },
  { path: '/events', name: 'Events', key: 'e', icon: Activity },
  { path: '/jobs', name: 'Jobs', key: 'j', icon: Package },
  { path: '/usage', name: 'Usage', key: 'u', icon: ChartColumn },
  { path: '/operations', name: 'Operations', key: 'o', icon: RefreshCw },
  { path: '/settings', name: 'Settings', key: 's', icon: Settings },
]
