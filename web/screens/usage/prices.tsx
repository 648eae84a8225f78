// The prices that costs are filled in by: the built-in ones, and those of the project, which go first.
import { useQuery } from '@tanstack/react-query'
import { useState } from 'react'
import { deletePrice, listPrices } from '../../api/calls.ts'
import { useMay } from '../../api/session.ts'
import { money } from '../../look/words.ts'
import { useAct } from '../../parts/act.ts'
import { Answered } from '../../parts/answered.tsx'
import { Button } from '../../parts/button.tsx'
import { Confirm } from '../../parts/confirm.tsx'
import { Dialog } from '../../parts/dialog.tsx'
import { Panel } from '../../parts/panel.tsx'
import { type Column, Table } from '../../parts/table.tsx'
import { type Price, PriceForm } from './price-form.tsx'
import styles from './usage.module.css'

const SHOWN_MAX = 500

type Asked = { what: 'set'; price: Price | undefined } | { what: 'delete'; price: Price }

export function Prices() {
  const may = useMay()
  const [asked, setAsked] = useState<Asked | undefined>()
  const query = useQuery({
    queryKey: ['usage', 'prices'],
    queryFn: ({ signal }) => listPrices({ limit: SHOWN_MAX }, { signal }),
  })
  const price = asked?.price
  const remove = useAct(() => deletePrice({ provider: price?.provider ?? '', model: price?.model ?? '' }), ['usage'])
  const mayWrite = may('admin')
  const close = () => setAsked(undefined)
  return (
    <Panel
      title="Prices, in US dollars per million tokens"
      tools={mayWrite && <Button onClick={() => setAsked({ what: 'set', price: undefined })}>Set a price …</Button>}
    >
      <Answered query={query} what="The prices">
        {({ data }) => (
          <Table
            label="Prices"
            rows={data}
            keyOf={({ provider, model, source }) => `${source} ${provider} ${model}`}
            columns={mayWrite ? [...COLUMNS, actionsColumn(setAsked)] : COLUMNS}
          />
        )}
      </Answered>
      <Dialog open={asked?.what === 'set'} onClose={close} title="Set a price">
        <PriceForm price={price} onClose={close} />
      </Dialog>
      <Confirm
        open={asked?.what === 'delete'}
        onClose={close}
        title={`Delete the price of ${price?.provider ?? ''} ${price?.model ?? ''}`}
        verb="Delete"
        isDanger
        act={() => remove.mutateAsync()}
      >
        The built-in price, if there is one, applies again. Calls that were recorded keep their cost.
      </Confirm>
    </Panel>
  )
}

const COLUMNS: readonly Column<Price>[] = [
  { name: 'Provider', cell: ({ provider }) => provider },
  { name: 'Model', cell: ({ model }) => model },
  { name: 'Prompt', right: true, cell: (it) => money(it.prompt_microusd_per_million) },
  { name: 'Completion', right: true, cell: (it) => money(it.completion_microusd_per_million) },
  { name: 'Source', wide: true, cell: ({ source }) => (source === 'project_price' ? 'this project' : 'built in') },
  { name: 'Date', wide: true, cell: ({ updated_at }) => updated_at.slice(0, 10) },
]

const actionsColumn = (ask: (asked: Asked) => void): Column<Price> => ({
  name: 'Actions',
  right: true,
  cell: (price) => (
    <span className={styles.actions}>
      <Button onClick={() => ask({ what: 'set', price })}>Change …</Button>
      {price.source === 'project_price' && (
        <Button look="danger" onClick={() => ask({ what: 'delete', price })}>
          Delete …
        </Button>
      )}
    </span>
  ),
})
