// Errors as sentences that say what happened and what to do.
import { ApiError } from '@/api/errors'

export interface Problem {
  text: string
  // Whether the same request may succeed later.
  retryable: boolean
}

const BY_REASON: Record<string, string> = {
  RATE_LIMITED: 'Your organization sends too many requests just now. Wait a moment and try again.',
  UNREACHABLE: 'Parley cannot be reached. Check your connection and try again.',
  WRONG_CREDENTIALS: 'The e-mail address or the password is wrong.',
  OPTED_OUT: 'This customer opted out of messages, so it was not sent.',
  MESSAGE_EXISTS: 'Another message has this id already. Write it again.',
  CONVERSATION_NOT_FOUND: 'This conversation does not exist, or it belongs to someone else.',
  CHANNEL_NOT_FOUND: 'This channel does not exist any more.',
  MEDIUM_NOT_SENDABLE: 'Calls cannot be answered with a text here.',
}

const BY_CODE: Record<number, string> = {
  401: 'You are not logged in any more. Log in again.',
  403: 'Your role does not allow this.',
  404: 'This does not exist, or it belongs to someone else.',
  429: 'Too many requests. Wait a moment and try again.',
}

export function problemOf(error: unknown): Problem {
  if (!(error instanceof ApiError)) {
    return { text: 'Something unexpected happened. Reload the page.', retryable: true }
  }
  const retryable = error.code === 0 || error.code === 429 || error.code >= 500
  const known = BY_REASON[error.reason] ?? BY_CODE[error.code]
  if (known) return { text: known, retryable }
  if (error.code >= 500) {
    return { text: 'Parley has a problem just now. Try again in a moment.', retryable }
  }
  return { text: sentence(error.message) || 'Parley refused this request.', retryable }
}

export function isLoggedOut(error: unknown): boolean {
  return error instanceof ApiError && error.code === 401
}

export function isNotFound(error: unknown): boolean {
  return error instanceof ApiError && error.code === 404
}

// The server's own words, which are for people, with the marks of a sentence.
function sentence(text: string): string {
  const trimmed = text.trim()
  if (!trimmed) return ''
  const capital = trimmed.charAt(0).toUpperCase() + trimmed.slice(1)
  return /[.!?…]$/.test(capital) ? capital : `${capital}.`
}
