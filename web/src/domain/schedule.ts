// When a message is to go out, as the field for it writes times and as the API takes them.

// "2026-11-21T14:05" in the reader's own zone; undefined if it is not a time after `now`.
export function sendTimeOf(field: string, now: Date): string | undefined {
  const time = new Date(field)
  return Number.isNaN(time.getTime()) || time <= now ? undefined : time.toISOString()
}

// What the field takes at the earliest, and proposes: the next full hour, in the reader's own zone.
export function proposeTime(now: Date): string {
  const hour = new Date(now)
  hour.setHours(now.getHours() + 1, 0, 0, 0)
  const two = (value: number) => String(value).padStart(2, '0')
  const day = `${hour.getFullYear()}-${two(hour.getMonth() + 1)}-${two(hour.getDate())}`
  return `${day}T${two(hour.getHours())}:${two(hour.getMinutes())}`
}
