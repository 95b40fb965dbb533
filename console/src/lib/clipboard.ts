/** Copies `text`; on a page that isn't secure (plain HTTP on a LAN) by the old way. False: neither works. */
export async function copy(text: string): Promise<boolean> {
  if (navigator.clipboard) {
    try {
      await navigator.clipboard.writeText(text)
      return true
    } catch {
      // Not allowed here: the old way may be.
    }
  }
  const area = document.createElement('textarea')
  area.value = text
  area.readOnly = true
  area.className = 'sr'
  const focused = document.activeElement as HTMLElement | null
  // Inside a dialog, which would take the focus back from anywhere else.
  const host = focused?.closest('[role=dialog]') ?? document.body
  host.append(area)
  area.select()
  const done = document.execCommand('copy')
  area.remove()
  focused?.focus()
  return done
}
