// Phone numbers as people read them. Grouped for North America; others stay as they are.

const NORTH_AMERICA = /^\+1(\d{3})(\d{3})(\d{4})$/

export function formatNumber(number: string): string {
  const parts = NORTH_AMERICA.exec(number)
  return parts ? `+1 ${parts[1]} ${parts[2]} ${parts[3]}` : number
}

// A title is the contact's name or a bare number.
export function formatTitle(title: string): string {
  if (!title) return 'No number'
  return formatNumber(title)
}

export function isE164(text: string): boolean {
  return /^\+[1-9]\d{6,14}$/.test(text)
}

// Up to two letters of a name; empty for a number.
export function initials(title: string): string {
  if (!/^\p{L}/u.test(title)) return ''
  const words = title.trim().split(/\s+/)
  const ends = words.length > 1 ? [words[0], words[words.length - 1]] : [words[0]]
  return ends
    .map((word) => Array.from(word ?? '')[0] ?? '')
    .join('')
    .toUpperCase()
}

// One of `count` colours, always the same for the same text.
export function colourOf(text: string, count: number): number {
  let hash = 0
  for (const char of text) hash = (hash * 31 + (char.codePointAt(0) ?? 0)) >>> 0
  return hash % count
}

// A made-up customer in the range that Twilio keeps for tests, beyond its magic numbers.
export function madeUpNumber(random: number): string {
  return `+1500555${String(1000 + Math.floor(random * 9000))}`
}
