import { askText } from '../../core/rollout/ask.ts';
import type { OpenAsk } from '../../ledger/journal/asks.ts';
import type { Published } from '../../ledger/words/published.ts';
import { dateText } from '../terminal/format.ts';
import { cleanAll, createPaint } from '../terminal/print.ts';
import { alert, entry } from './page.ts';
import type { ViewOptions } from './page.ts';

/** What `status` shows to somebody who may approve, but not read the ledger: what is asked, and on what evidence. */
export function renderQuestions(published: Published, options: Omit<ViewOptions, 'now'>): string {
  const { asks, rollouts } = cleanAll(published);
  const page = { ...options, paint: createPaint(options.color) };
  const suffix = options.commandSuffix === undefined ? '' : ` ${options.commandSuffix}`;
  const lines = options.isRunning ? [] : alert('the daemon is not running', page);
  if (asks.length === 0) lines.push('nothing is asked now');
  for (const ask of asks) {
    const which = ask.about === 'step' ? ` --step ${ask.step}` : '';
    const phase = rollouts.find(({ id }) => id === ask.rolloutId)?.phase ?? '';
    lines.push(
      page.paint.bold(`${ask.model}  ${phase}`),
      ...entry('asks', [questionText(ask)], page),
      ...entry('verdict', [ask.verdict], page),
      ...entry('since', [dateText(ask.at)], page),
      ...entry('type', [`npx upshift approve ${ask.rolloutId}${which}${suffix}`], page, true),
      ...entry('or', [`npx upshift reject ${ask.rolloutId}${suffix}`], page, true),
    );
  }
  return `${lines.join('\n')}\n`;
}

/** What is asked, on which evidence: what the digest of an answer covers. */
export function questionText(ask: Pick<OpenAsk, 'about' | 'step' | 'figures'>): string {
  const { detail } = JSON.parse(ask.figures) as { readonly detail?: unknown };
  const [asked, shown] = [askText(ask), typeof detail === 'string' ? detail : 'no figures'];
  return shown.startsWith(`${asked} of `) ? shown : `${asked}: ${shown}`;
}
