import { nextTheme, setPreferences, usePreferences } from '../look/preferences.ts'
import { Button } from '../parts/button.tsx'
import { ButtonFixtures } from './fixtures/buttons.tsx'
import { ChartFixtures } from './fixtures/charts.tsx'
import { DataFixtures } from './fixtures/data.tsx'
import { DialogFixtures } from './fixtures/dialogs.tsx'
import { FormFixtures } from './fixtures/forms.tsx'
import { NoteFixtures } from './fixtures/notes.tsx'
import { QuestionFixtures } from './fixtures/questions.tsx'
import { RunFixtures } from './fixtures/run.tsx'
import { StateFixtures } from './fixtures/states.tsx'
import styles from './kit.module.css'

export function Kit() {
  const { theme } = usePreferences()
  return (
    <main className={styles.kit}>
      <header className={styles.head}>
        <h1>Fixtures</h1>
        <p>Each part of the console in each of its states. Nothing here leads anywhere, and no server is asked.</p>
        <Button onClick={() => setPreferences({ theme: nextTheme(theme) })}>Theme: {theme}</Button>
      </header>
      <ButtonFixtures />
      <StateFixtures />
      <NoteFixtures />
      <DataFixtures />
      <FormFixtures />
      <QuestionFixtures />
      <DialogFixtures />
      <ChartFixtures />
      <RunFixtures />
    </main>
  )
}
