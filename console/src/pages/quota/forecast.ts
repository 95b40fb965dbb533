const DAY = 86400
/** WeChat counts days in Beijing's time. */
const AHEAD = 8 * 3600

/** When the day's quota is used up if the day goes on as it went until `at`; null if it lasts till midnight. */
export function runsOutAt(used: number, limit: number, at: number): number | null {
  const gone = (at + AHEAD) % DAY
  if (used <= 0 || gone < 3600) return null
  const lasts = (gone * limit) / used
  return lasts < DAY ? at - gone + Math.floor(lasts) : null
}
