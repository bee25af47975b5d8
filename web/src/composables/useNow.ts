// The time, refreshed often enough for "5 min", and how this browser writes times.
import { readonly, ref } from 'vue'
import type { Locale } from '@/domain/time'

const TICK_MS = 20_000

const now = ref(new Date())
let ticking = false

export function useNow() {
  if (!ticking) {
    ticking = true
    setInterval(() => (now.value = new Date()), TICK_MS)
    document.addEventListener('visibilitychange', () => (now.value = new Date()))
  }
  return readonly(now)
}

// The page is in English; which English, and so how times are written, is the browser's choice.
export const locale: Locale = {
  language: globalThis.navigator?.language.startsWith('en') ? navigator.language : 'en-GB',
}
