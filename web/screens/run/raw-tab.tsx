// Everything as it is: the run, its events, and a file with all there is about it.
import type { Run } from '#contract/runs/run.ts'
import { BASE } from '../../api/call.ts'
import { CopyButton } from '../../parts/copy.tsx'
import { JsonTree } from '../../parts/json-tree.tsx'
import { Panel } from '../../parts/panel.tsx'
import styles from './run.module.css'
import type { RunLog } from './run-events.ts'

export function RawTab({ run, log }: { run: Run; log: RunLog | undefined }) {
  const path = `${BASE}/v1/runs/${encodeURIComponent(run.id)}`
  const tools = (
    <>
      <CopyButton label="Copy as curl" text={`curl -H "Authorization: Bearer $KEY" '${path}'`} />
      <a href={`${path}/debug-bundle?format=zip`} download className={styles.muted}>
        Debug bundle (.zip)
      </a>
    </>
  )
  return (
    <div className={styles.columns}>
      <Panel title="Run" tools={tools} pad>
        <JsonTree value={run} label="Run" />
      </Panel>
      <Panel title="Events" pad>
        <JsonTree value={log?.events ?? []} label="Events" />
      </Panel>
    </div>
  )
}
