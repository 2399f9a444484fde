import type { ChatBodyPlan } from '../load/plan.ts';
import { NUMBER_PLACEHOLDER } from '../load/request-template.ts';

const SYSTEM_PROMPT = [
  'You are the support assistant of a mid-sized airline. Answer in the language of the customer, in at most six sentences.',
  'Before you change a booking, read it with the tools you have, state what you are about to do and ask for confirmation.',
  'Refunds: a flight cancelled by the airline is refunded in full; basic economy is not refundable after 24 hours; with',
  'travel insurance a refund is possible for health or weather. Never promise compensation that the rules below do not name.',
  'Baggage: regular members take one checked bag in economy, silver members two, gold members three; each further one is $50.',
  'Transfer to a human agent only when the request cannot be handled with your tools. Do not give subjective advice, do not',
  'invent flight numbers, and decline what is against the policy. All times are given as HH:MM in the local time of the airport.',
  'Amounts are in US dollars. The current time is 2026-11-24 15:00 EST.',
].join('\n');

const FILLER =
  'The booking was made through the web site, the card on file is the same one, and the passengers have not changed since. ';

/**
 * A chat-completions body of exactly so many bytes with the number placeholder in its last message, so that bodies share
 * their system prompt and differ in their query, as an application's do; or in its system prompt, so that they share nothing.
 */
export function chatBody(plan: ChatBodyPlan): string {
  const { model, bytes, stream, directives, differsIn } = plan;
  const render = (filler: string): string =>
    JSON.stringify({
      model,
      messages: [
        {
          role: 'system',
          content: differsIn === 'system' ? `Tenant ${NUMBER_PLACEHOLDER}. ${SYSTEM_PROMPT}` : SYSTEM_PROMPT,
        },
        {
          role: 'user',
          content: `Case ${differsIn === 'query' ? NUMBER_PLACEHOLDER : '1'}: can I move my flight to Friday? ${filler}${directives}`,
        },
      ],
      temperature: 0.2,
      max_tokens: 256,
      ...(stream ? { stream: true } : {}),
    });
  const missing = bytes - render('').length;
  if (missing < 0) throw new Error(`this chat body has at least ${bytes - missing} bytes, not ${bytes}`);
  return render(FILLER.repeat(Math.ceil(missing / FILLER.length)).slice(0, missing));
}
