// A run's state: colour, icon and word, never the colour alone.
import {
  Ban,
  Check,
  CircleDashed,
  Clock,
  Hourglass,
  type LucideIcon,
  Pause,
  Play,
  Skull,
  TimerOff,
  TriangleAlert,
  X,
  Zap,
} from 'lucide-react'
import type { RunState } from '#core/run.ts'
import { stateWord } from '../look/words.ts'
import styles from './state-chip.module.css'

type Tone = 'ok' | 'run' | 'wait' | 'bad' | 'rest'

const LOOKS: Record<RunState, { icon: LucideIcon; tone: Tone }> = {
  delayed: { icon: Clock, tone: 'rest' },
  queued: { icon: CircleDashed, tone: 'rest' },
  dequeued: { icon: CircleDashed, tone: 'run' },
  executing: { icon: Play, tone: 'run' },
  waiting: { icon: Hourglass, tone: 'wait' },
  paused: { icon: Pause, tone: 'wait' },
  dead_letter: { icon: Skull, tone: 'bad' },
  completed: { icon: Check, tone: 'ok' },
  failed: { icon: X, tone: 'bad' },
  timed_out: { icon: TimerOff, tone: 'bad' },
  crashed: { icon: Zap, tone: 'bad' },
  system_failed: { icon: TriangleAlert, tone: 'bad' },
  canceled: { icon: Ban, tone: 'rest' },
  expired: { icon: TimerOff, tone: 'rest' },
}

export const toneOf = (state: RunState): Tone => LOOKS[state].tone

export function StateChip({ state }: { state: RunState }) {
  const { icon: Icon, tone } = LOOKS[state]
  return (
    <Chip tone={tone}>
      <Icon size={12} strokeWidth={2.25} aria-hidden="true" />
      {stateWord(state)}
    </Chip>
  )
}

export function Chip({ tone, children }: { tone: Tone; children: React.ReactNode }) {
  return <span className={`${styles.chip} ${styles[tone]}`}>{children}</span>
}

export function StateIcon({ state }: { state: RunState }) {
  const { icon: Icon, tone } = LOOKS[state]
  return <Icon size={13} strokeWidth={2.25} className={styles[tone] ?? ''} role="img" aria-label={stateWord(state)} />
}
