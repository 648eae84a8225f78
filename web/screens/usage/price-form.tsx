import { type FormEvent, useState } from 'react'
import { type listPrices, setPrice } from '../../api/calls.ts'
import { useAct } from '../../parts/act.ts'
import { Button } from '../../parts/button.tsx'
import { DialogActions } from '../../parts/dialog.tsx'
import { sentenceOf } from '../../parts/notes.tsx'
import styles from './usage.module.css'

export type Price = Awaited<ReturnType<typeof listPrices>>['data'][number]

const MICRO = 1_000_000
const usdOf = (microusd: number | undefined): string => (microusd === undefined ? '' : String(microusd / MICRO))
const microusdOf = (usd: string): number => Math.round(Number(usd) * MICRO)

/** `price`: the one to begin with; of a built-in one, the project gets its own. */
export function PriceForm({ price, onClose }: { price: Price | undefined; onClose: () => void }) {
  const [provider, setProvider] = useState(price?.provider ?? '')
  const [model, setModel] = useState(price?.model ?? '')
  const [prompt, setPrompt] = useState(usdOf(price?.prompt_microusd_per_million))
  const [completion, setCompletion] = useState(usdOf(price?.completion_microusd_per_million))
  const set = useAct(
    () =>
      setPrice({
        provider: provider.trim(),
        model: model.trim(),
        prompt_microusd_per_million: microusdOf(prompt),
        completion_microusd_per_million: microusdOf(completion),
      }),
    ['usage'],
  )
  const submit = (event: FormEvent) => {
    event.preventDefault()
    set.mutate(undefined, { onSuccess: onClose })
  }
  return (
    <form className={styles.form} onSubmit={submit}>
      <p>For calls that are recorded from now on.</p>
      <label>
        Provider
        <input value={provider} required readOnly={price !== undefined} onChange={(e) => setProvider(e.target.value)} />
      </label>
      <label>
        Model, or the beginning of several names
        <input value={model} required readOnly={price !== undefined} onChange={(e) => setModel(e.target.value)} />
      </label>
      <label>
        Prompt, US dollars per million tokens
        <input
          type="number"
          min={0}
          step="any"
          required
          value={prompt}
          onChange={({ target }) => setPrompt(target.value)}
        />
      </label>
      <label>
        Completion, US dollars per million tokens
        <input
          type="number"
          min={0}
          step="any"
          required
          value={completion}
          onChange={({ target }) => setCompletion(target.value)}
        />
      </label>
      {set.error && (
        <p role="alert" className={styles.error}>
          {sentenceOf(set.error)}
        </p>
      )}
      <DialogActions>
        <Button onClick={onClose}>Close</Button>
        <Button look="main" type="submit" disabled={set.isPending}>
          Set the price
        </Button>
      </DialogActions>
    </form>
  )
}
