// WhatsApp takes free text only for 24 hours after the customer's last message.
import type { Conversation } from '@/api/types'
import { parseTime } from './time'

// A warning for who is about to write; empty if there is nothing to warn of.
export function windowWarning(conversation: Conversation, now: Date): string {
  if (conversation.medium !== 'MEDIUM_WHATSAPP' || !conversation.customerNumber) return ''
  const until = parseTime(conversation.whatsappWindowTime)
  if (!until) return 'The customer has not written yet: WhatsApp takes no free text until then.'
  const minutes = Math.floor((until.getTime() - now.getTime()) / 60_000)
  if (minutes < 0) {
    return 'The customer last wrote more than 24 hours ago: WhatsApp will refuse free text.'
  }
  if (minutes < 60) return `WhatsApp takes free text for ${minutes} more min.`
  return ''
}
