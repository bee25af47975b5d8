// How a medium looks and what it is called.
import type { Medium } from '@/api/types'
import type { IconName } from './AppIcon.vue'

const NAMES: Record<Medium, string> = {
  MEDIUM_UNSPECIFIED: 'Message',
  MEDIUM_SMS: 'SMS',
  MEDIUM_WHATSAPP: 'WhatsApp',
  MEDIUM_VOICE: 'Calls',
}

const ICONS: Record<Medium, IconName> = {
  MEDIUM_UNSPECIFIED: 'sms',
  MEDIUM_SMS: 'sms',
  MEDIUM_WHATSAPP: 'whatsapp',
  MEDIUM_VOICE: 'voice',
}

export function mediumName(medium: Medium): string {
  return NAMES[medium]
}

export function mediumIcon(medium: Medium): IconName {
  return ICONS[medium]
}
