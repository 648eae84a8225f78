// An upgrade of the node takes the files of the build before with it. A page that was opened before and goes to another
// screen cannot load it: it is loaded anew, a few times at most.
const NAME = 'runyard.reloads'
const RELOADS_MAX = 2
const WITHIN_MS = 60_000

export function recoverLostFiles(): void {
  addEventListener('vite:preloadError', (event) => {
    const earlier = (JSON.parse(sessionStorage.getItem(NAME) ?? '[]') as number[]).filter(
      (atMs) => Date.now() - atMs < WITHIN_MS,
    )
    if (earlier.length >= RELOADS_MAX) return
    event.preventDefault()
    sessionStorage.setItem(NAME, JSON.stringify([...earlier, Date.now()]))
    location.reload()
  })
}
