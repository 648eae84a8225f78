// What holds now and what is over; the rules that say so; and the channels that tell people.
import { AlertList } from './alert-list.tsx'
import { Channels } from './channels.tsx'
import { Rules } from './rules.tsx'

export function Alerts() {
  return (
    <>
      <AlertList />
      <Rules />
      <Channels />
    </>
  )
}
