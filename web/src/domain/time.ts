// Times as people say them. The clock, the language and the zone come from the caller.

export interface Locale {
  language?: string | undefined
  timeZone?: string | undefined
}

const MINUTE_MS = 60_000
const HOUR_MS = 60 * MINUTE_MS

// A time of the API; undefined when it is missing or unreadable.
export function parseTime(text: string | undefined): Date | undefined {
  if (!text) return undefined
  const time = new Date(text)
  return Number.isNaN(time.getTime()) ? undefined : time
}

function format(time: Date, locale: Locale, options: Intl.DateTimeFormatOptions): string {
  return new Intl.DateTimeFormat(locale.language, { ...options, timeZone: locale.timeZone }).format(
    time,
  )
}

// "2026-11-21": equal for two times of the same day there.
export function dayKey(time: Date, locale: Locale = {}): string {
  return format(time, { ...locale, language: 'sv-SE' }, { dateStyle: 'short' })
}

// Whole days from `time`'s day to `now`'s day.
function daysAgo(time: Date, now: Date, locale: Locale): number {
  const day = (at: Date) => Date.parse(`${dayKey(at, locale)}T00:00:00Z`)
  return Math.round((day(now) - day(time)) / (24 * HOUR_MS))
}

export function clockTime(time: Date, locale: Locale = {}): string {
  return format(time, locale, { hour: '2-digit', minute: '2-digit' })
}

// For a list: "now", "5 min", "14:02", "Yesterday", "Mon", "12 Mar", "12 Mar 2024".
export function shortTime(time: Date, now: Date, locale: Locale = {}): string {
  const ago = now.getTime() - time.getTime()
  if (ago < MINUTE_MS) return 'now'
  if (ago < HOUR_MS) return `${Math.floor(ago / MINUTE_MS)} min`
  const days = daysAgo(time, now, locale)
  if (days <= 0) return clockTime(time, locale)
  if (days === 1) return 'Yesterday'
  if (days < 7) return format(time, locale, { weekday: 'short' })
  return format(time, locale, { day: 'numeric', month: 'short', ...yearUnlessThis(time, now) })
}

// For the line between two days: "Today", "Yesterday", "Monday, 16 November".
export function dayTitle(time: Date, now: Date, locale: Locale = {}): string {
  const days = daysAgo(time, now, locale)
  if (days === 0) return 'Today'
  if (days === 1) return 'Yesterday'
  return format(time, locale, {
    weekday: 'long',
    day: 'numeric',
    month: 'long',
    ...yearUnlessThis(time, now),
  })
}

// In full, for a tooltip.
export function fullTime(time: Date, locale: Locale = {}): string {
  return format(time, locale, { dateStyle: 'full', timeStyle: 'medium' })
}

function yearUnlessThis(time: Date, now: Date): Intl.DateTimeFormatOptions {
  return time.getFullYear() === now.getFullYear() ? {} : { year: 'numeric' }
}
