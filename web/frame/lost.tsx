// What stands in for a screen that does not exist, or that broke.
import { type ErrorComponentProps, Link, useRouter } from '@tanstack/react-router'
import { Empty, Failure } from '../parts/notes.tsx'

export function NotFound() {
  return (
    <main>
      <Empty title="Page not found">
        <p>
          There is no screen at this address. <Link to="/">Go to Home</Link>
        </p>
      </Empty>
    </main>
  )
}

export function Broken({ error, reset }: ErrorComponentProps) {
  const router = useRouter()
  const again = () => {
    reset()
    void router.invalidate()
  }
  return <Failure error={error} what="This screen" onRetry={again} />
}
