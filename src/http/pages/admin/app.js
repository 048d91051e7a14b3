'use strict';
const find = (id) => document.getElementById(id);
const PAGE = 50;

// Numbers and times, always in the same shape, so that nothing jumps.
const whole = new Intl.NumberFormat('en');
const short = new Intl.NumberFormat('en', { notation: 'compact', maximumFractionDigits: 1 });
const count = (n) => (n < 100000 ? whole.format(n) : short.format(n));
const rate = (n) => (n >= 100 ? count(Math.round(n)) : n === 0 ? '0' : n.toFixed(1));
const bytes = (n) => {
  if (n === null || n === undefined) return '–';
  const units = ['B', 'KB', 'MB', 'GB', 'TB'];
  let unit = 0;
  while (n >= 1024 && unit < units.length - 1) { n /= 1024; unit += 1; }
  return `${unit === 0 || n >= 100 ? Math.round(n) : n.toFixed(1)} ${units[unit]}`;
};
const span = (secs) => {
  if (secs < 60) return `${Math.floor(secs)} s`;
  if (secs < 3600) return `${Math.floor(secs / 60)} min`;
  if (secs < 86400) return `${Math.floor(secs / 3600)} h ${Math.floor((secs % 3600) / 60)} min`;
  return `${Math.floor(secs / 86400)} d ${Math.floor((secs % 86400) / 3600)} h`;
};
// Time that actors were busy: seconds with a decimal, later as ever.
const busyTime = (secs) => (secs < 60 ? `${secs.toFixed(1)} s` : span(secs));
const micros = (us) => (us >= 1000 ? `${(us / 1000).toFixed(us >= 100000 ? 0 : 1)} ms` : `${Math.round(us)} µs`);

const make = (name, text, kind) => {
  const node = document.createElement(name);
  if (text !== undefined) node.textContent = text;
  if (kind) node.className = kind;
  return node;
};
const say = (text, kind = '') => {
  const toast = find('toast');
  toast.textContent = text;
  toast.dataset.kind = kind;
  toast.hidden = false;
  clearTimeout(say.timer);
  say.timer = setTimeout(() => { toast.hidden = true; }, 6000);
};
// Whoever opens the page with a name and password in its address: they are not for what it asks.
const at = (path) => {
  const url = new URL(path, location.href);
  url.username = '';
  url.password = '';
  return url.href;
};
const send = async (path, body) => {
  const answer = await fetch(at(path), {
    method: 'POST',
    headers: { 'Content-Type': 'application/json' },
    body: body === undefined ? '' : JSON.stringify(body),
  });
  const told = await answer.json().catch(() => ({}));
  if (!answer.ok) throw new Error(told.error || `answered ${answer.status}`);
  return told;
};
const attempt = async (act) => {
  try { return await act(); } catch (error) { say(error.message, 'bad'); return undefined; }
};
const confirmed = (title, text, yes) => new Promise((answer) => {
  find('confirm-title').textContent = title;
  find('confirm-text').textContent = text;
  find('confirm-yes').textContent = yes;
  const dialog = find('confirm');
  dialog.returnValue = 'no';
  dialog.onclose = () => answer(dialog.returnValue === 'yes');
  dialog.showModal();
});

// Plots.
const POINTS = 180;
const points = [];
const plot = (id, values, now, shown) => {
  const figure = find(`plot-${id}`);
  const peak = Math.max(1e-9, ...values);
  const at = (value, n) => [n + POINTS - values.length, 38 - (36 * value) / peak];
  const line = values.map((value, n) => at(value, n).map((x) => x.toFixed(1)).join(' '));
  const first = POINTS - values.length;
  figure.querySelector('.line').setAttribute('d', line.length > 1 ? `M${line.join('L')}` : '');
  figure.querySelector('.area').setAttribute('d', line.length > 1 ? `M${first} 40L${line.join('L')}L${POINTS - 1} 40Z` : '');
  const [number, unit] = now;
  const node = figure.querySelector('.now');
  node.textContent = number;
  if (unit) node.append(make('small', unit));
  figure.querySelector('.peak').textContent = values.length ? `peak ${shown(Math.max(0, ...values))}` : '–';
};
const drawPlots = () => {
  const per = (name) => points.slice(1).map((point, n) => {
    const secs = Math.max(1, point.uptime_secs - points[n].uptime_secs);
    return Math.max(0, point[name] - points[n][name]) / secs;
  });
  const of = (name) => points.map((point) => point[name]);
  const last = (values) => (values.length ? values[values.length - 1] : 0);
  const connections = of('connections');
  plot('connections', connections, [count(last(connections))], count);
  for (const [id, name] of [['publishes', 'published_total'], ['deliveries', 'delivered_total']]) {
    const values = per(name);
    plot(id, values, [rate(last(values)), '/s'], (n) => `${rate(n)}/s`);
  }
  const latency = of('publish_mean_us');
  plot('latency', latency, micros(last(latency)).split(' '), micros);
  const written = of('write_mean_us');
  plot('written', written, micros(last(written)).split(' '), micros);
  const memory = of('memory_bytes');
  plot('memory', memory, bytes(last(memory)).split(' '), bytes);
};
const readHistory = () => attempt(async () => {
  const told = await (await fetch(at('api/history'))).json();
  points.splice(0, points.length, ...told.points);
  drawPlots();
});

// Tables.
const button = (text, act, kind) => {
  const node = make('button', text, kind);
  node.type = 'button';
  node.addEventListener('click', act);
  return node;
};
const disconnect = async (what, text) => {
  if (!await confirmed('Disconnect', text, 'Disconnect')) return;
  await attempt(async () => {
    const told = await send('api/disconnect', what);
    say(`${count(told.disconnected)} disconnected`);
    await readTable();
  });
};
const number = { kind: 'number' };
const TABLES = {
  sessions: {
    sort: 'age', descends: true, empty: 'Nobody is held now.',
    columns: [
      ['Peer', (row) => row.peer || '–', { sort: 'peer', kind: 'mono', width: 12 }],
      ['Route', (row) => row.route || 'embedded', { sort: 'route', kind: 'text wide' }],
      ['Transport', (row) => row.transport, { sort: 'transport', width: 8 }],
      ['Channels', (row) => row.channels.join(', ') + (row.channels_total > row.channels.length ? ` and ${row.channels_total - row.channels.length} more` : ''), { sort: 'channels', kind: 'text' }],
      ['Age', (row) => span(row.age_secs), { ...number, sort: 'age', width: 6.5 }],
      ['Queued', (row) => bytes(row.queued_bytes), { kind: 'number wide', sort: 'queued' }],
      ['Sent', (row) => bytes(row.sent_bytes), { kind: 'number wide', sort: 'sent' }],
      ['Last write', (row) => `${span(row.last_write_ms_ago / 1000)} ago`, { kind: 'number wide', sort: 'last_write', width: 8 }],
    ],
    actsWidth: 8,
    acts: (row) => [button('Disconnect', () => disconnect({ id: row.id }, `The ${row.transport} session of ${row.peer || 'an unknown peer'} ends in good order. Its client may come back.`), 'danger')],
  },
  channels: {
    sort: 'subscribers', descends: true, empty: 'No channel has subscribers now.',
    columns: [
      ['Channel', (row) => row.name, { sort: 'name', kind: 'text' }],
      ['Subscribers', (row) => count(row.subscribers), { ...number, sort: 'subscribers', width: 8.5 }],
      ['Long-polls', (row) => count(row.response), { kind: 'number wide' }],
      ['Streams', (row) => count(row.stream), { kind: 'number wide' }],
      ['WebSockets', (row) => count(row['ws-message']), { kind: 'number wide', width: 7 }],
      ['Items', (row) => count(row.items), { kind: 'number wide', sort: 'items' }],
      ['Last id', (row) => row.last_id || '–', { kind: 'text mono wide', width: 9 }],
      ['Waiting', (row) => count(row.waiting), { kind: 'number wide', sort: 'waiting' }],
      ['Dropped', (row) => count(row.dropped), { ...number, sort: 'dropped', bad: (row) => row.dropped > 0 }],
    ],
    actsWidth: 11.75,
    acts: (row) => [
      button('Tail', () => startTail(row.name)),
      button('Disconnect', () => disconnect({ channel: row.name }, `All ${count(row.subscribers)} sessions on ${row.name} end in good order. Their clients may come back.`), 'danger'),
    ],
  },
  targets: {
    sort: 'target', descends: false, empty: 'No route leads to a target.',
    columns: [
      ['Target', (row) => row.target, { sort: 'target', kind: 'text mono' }],
      ['Health', (row) => (row.workers_ejecting > 0 ? 'ejected' : row.check || 'not checked'), { width: 9, faint: (row) => !row.check && !row.workers_ejecting, bad: (row) => row.workers_ejecting > 0 || row.check === 'unhealthy', good: (row) => row.check === 'healthy' }],
      ['In flight', (row) => count(row.requests_current), { ...number, sort: 'requests' }],
      ['Open', (row) => count(row.connections_current), { ...number, sort: 'connections' }],
      ['Idle', (row) => count(row.connections_idle_current), { kind: 'number wide' }],
      ['Latency', (row) => (row.latency_us === null ? '–' : micros(row.latency_us)), { ...number, sort: 'latency' }],
      ['Refused', (row) => count(row.refused_total), { kind: 'number wide', bad: (row) => row.refused_total > 0 }],
      ['Failures', (row) => count(row.failures_total), { ...number, sort: 'failures', bad: (row) => row.failures_total > 0 }],
      ['Ejections', (row) => count(row.ejections_total), { kind: 'number wide' }],
    ],
  },
  routes: {
    sort: 'route', descends: false, empty: 'There is no route.',
    columns: [
      ['Route', (row) => row.route, { sort: 'route', kind: 'text' }],
      ['Condition', (row) => row.condition, { kind: 'text mono wide' }],
      ['Prefix', (row) => row.prefix || '–', { kind: 'text wide', width: 8 }],
      ['Slow clients', (row) => row.slow_client, { kind: 'wide', width: 8 }],
      ['Targets', (row) => row.targets.join(', '), { kind: 'text mono' }],
    ],
    actsWidth: 8,
    acts: (row) => [button('Disconnect', () => disconnect({ route: row.route }, `All sessions that came by ${row.route} end in good order. Their clients may come back.`), 'danger')],
  },
  actors: {
    local: (look) => Object.entries(look.actors).map(([kind, actor]) => ({ kind, busy: look.totals[`${kind}_busy_ns_total`], ...actor })),
    empty: 'No actor lives.',
    columns: [
      ['Kind', (row) => row.kind, { width: 10 }],
      ['Alive', (row) => count(row.count), number],
      ['Mailbox', (row) => count(row.mailbox), number],
      ['Busy', (row) => (row.busy === undefined ? '–' : busyTime(row.busy / 1e9)), { kind: 'number wide' }],
      ['Restarts', (row) => count(row.restarts), { ...number, bad: (row) => row.restarts > 0 }],
      ['Last panic', (row) => row.last_panic || '–', { kind: 'text' }],
    ],
  },
  losses: {
    local: (look) => [['dropped', look.dropped], ['refused', look.refused]].flatMap(([what, reasons]) =>
      Object.entries(reasons).filter(([, n]) => n > 0).map(([reason, n]) => ({ what, reason, n }))).sort((a, b) => b.n - a.n),
    empty: 'Nothing was dropped or refused since the start.', isNarrow: true,
    columns: [
      ['Reason', (row) => row.reason, { width: 14 }],
      ['What', (row) => (row.what === 'dropped' ? 'items dropped' : 'refused'), { kind: 'faint', width: 12 }],
      ['Count', (row) => count(row.n), number],
    ],
  },
};
let shown = 'sessions';
let order = {};
let places = [null];
let look = null;
let reading = 0;
// Answers that are awaited: news do not ask again before, or a slow one would never be shown.
let awaited = 0;

const drawHead = () => {
  const table = TABLES[shown];
  const head = find('head');
  head.replaceChildren(...table.columns.map(([title, , options]) => {
    const cell = make('th', undefined, options.kind);
    cell.scope = 'col';
    // Fixed, so that no column moves when a number grows.
    if (options.width || /number/.test(options.kind)) cell.style.width = `${options.width || 6}rem`;
    if (!options.sort) { cell.textContent = title; return cell; }
    const { sort, descending } = sorting();
    if (sort === options.sort) cell.setAttribute('aria-sort', descending ? 'descending' : 'ascending');
    const sorter = button(title, () => sortBy(options.sort));
    sorter.dataset.sort = options.sort;
    cell.append(sorter);
    return cell;
  }));
  if (table.acts) {
    const cell = make('th', undefined, 'act');
    cell.append(make('span', 'Actions', 'hidden'));
    cell.style.width = `${table.actsWidth}rem`;
    head.append(cell);
  }
  head.closest('table').classList.toggle('narrow', Boolean(table.isNarrow));
};
// What is not worth a look.
const NOTHING = new Set(['0', '–', '0 B', '0.0 s']);
const drawRows = (rows) => {
  const table = TABLES[shown];
  find('rows').replaceChildren(...rows.map((row) => {
    const line = make('tr');
    if (row.id) line.dataset.id = row.id;
    for (const [, text, options] of table.columns) {
      const cell = make('td', text(row), options.kind);
      if (options.bad && options.bad(row)) cell.classList.add('bad');
      if (options.good && options.good(row)) cell.classList.add('good');
      if (NOTHING.has(cell.textContent) || (options.faint && options.faint(row))) cell.classList.add('faint');
      if (/text|mono/.test(options.kind)) cell.title = cell.textContent;
      line.append(cell);
    }
    if (table.acts) {
      const cell = make('td', undefined, 'act');
      cell.append(...table.acts(row));
      line.append(cell);
    }
    return line;
  }));
  const empty = find('empty');
  empty.hidden = rows.length > 0;
  empty.textContent = find('search').value ? 'Nothing fits the search.' : table.empty;
};
const sorting = () => order[shown] || { sort: TABLES[shown].sort, descending: TABLES[shown].descends };
const sortBy = (sort) => {
  const now = sorting();
  order[shown] = { sort, descending: now.sort === sort ? !now.descending : true };
  places = [null];
  drawHead();
  const again = document.querySelector(`#head [data-sort="${sort}"]`);
  if (again) again.focus();
  return attempt(readTable);
};
const readTable = async () => {
  reading += 1;
  const own = reading;
  const table = TABLES[shown];
  const search = find('search').value.trim();
  if (table.local) {
    const rows = look ? table.local(look) : [];
    const part = search.toLowerCase();
    drawRows(rows.filter((row) => JSON.stringify(row).toLowerCase().includes(part)));
    find('matched').textContent = '';
    find('previous').disabled = true;
    find('next').disabled = true;
    return;
  }
  const { sort, descending } = sorting();
  const query = new URLSearchParams({ sort, order: descending ? 'desc' : 'asc', limit: PAGE });
  if (search) query.set('search', search);
  const after = places[places.length - 1];
  if (after) query.set('after', after);
  awaited += 1;
  const [answer, told] = await fetch(at(`api/${shown}?${query}`))
    .then(async (given) => [given, await given.json()])
    .finally(() => { awaited -= 1; });
  if (own !== reading) return;
  if (!answer.ok) throw new Error(told.error);
  // A confirmation or a focused button must not move away under the hand.
  if (document.activeElement && document.activeElement.closest('#rows')) return;
  drawRows(told.rows);
  const from = (places.length - 1) * PAGE;
  const range = told.rows.length ? `${count(from + 1)}–${count(from + told.rows.length)} of ${whole.format(told.matched)}` : '';
  find('matched').textContent = range + (told.is_complete ? '' : ' · a worker did not answer in time');
  find('previous').disabled = places.length < 2;
  find('next').disabled = !told.next;
  find('next').dataset.after = told.next || '';
};
const show = (name) => {
  shown = name;
  places = [null];
  for (const tab of document.querySelectorAll('.tabs button')) tab.setAttribute('aria-pressed', String(tab.dataset.table === name));
  find('rows').replaceChildren();
  find('empty').hidden = true;
  drawHead();
  return attempt(readTable);
};
for (const tab of document.querySelectorAll('.tabs button')) tab.addEventListener('click', () => show(tab.dataset.table));
find('next').addEventListener('click', () => { places.push(find('next').dataset.after); attempt(readTable); });
find('previous').addEventListener('click', () => { places.pop(); attempt(readTable); });
find('search').addEventListener('input', () => {
  clearTimeout(show.timer);
  show.timer = setTimeout(() => { places = [null]; attempt(readTable); }, 200);
});

// The live stream.
const onLook = (told) => {
  look = told;
  const { process } = told;
  find('version').textContent = process.version;
  find('uptime').textContent = span(process.uptime_secs);
  find('workers').textContent = told.workers;
  find('files').textContent = process.open_files === null ? '–' : `${count(process.open_files)} of ${count(process.open_files_max)}`;
  find('count-sessions').textContent = count(told.totals.sessions_current || 0);
  find('count-channels').textContent = count(told.channels_total);
  find('count-targets').textContent = count(told.targets_total);
  const losses = Object.values(told.dropped).reduce((sum, n) => sum + n, 0) + Object.values(told.refused).reduce((sum, n) => sum + n, 0);
  find('count-losses').textContent = losses ? count(losses) : '';
  const state = find('state');
  state.dataset.state = process.is_draining ? 'drain' : 'live';
  state.textContent = process.is_draining ? 'Draining' : 'Live';
  document.body.classList.remove('stale');
  if (!document.hidden && awaited === 0) attempt(readTable);
};
const live = () => {
  const source = new EventSource(at('api/live'));
  source.addEventListener('look', (event) => onLook(JSON.parse(event.data)));
  source.onerror = () => {
    const state = find('state');
    state.dataset.state = 'lost';
    state.textContent = 'No connection';
    document.body.classList.add('stale');
    // Refused for good, or ended: the browser does not come back by itself.
    if (source.readyState === EventSource.CLOSED) setTimeout(live, 3000);
  };
};

// The tail of a channel.
let tailing = null;
const stopTail = () => {
  if (tailing) tailing.close();
  tailing = null;
  find('tail-toggle').textContent = 'Tail';
};
const addItem = (item) => {
  const line = make('li');
  line.append(make('time', new Date().toLocaleTimeString('en-GB')));
  line.append(make('span', item.id === null ? 'no id' : item.id, item.id === null ? 'faint' : 'mono'));
  const of = Object.entries(item.formats);
  // The newline that ends a line of a stream is not part of what is said.
  const text = (format) => (format.content ?? format.content_bin ?? format.action).replace(/\n$/, '');
  const contents = new Set(of.map(([, format]) => text(format)));
  const content = contents.size === 1 ? [...contents][0] : of.map(([name, format]) => `${name}: ${text(format)}`).join('\n');
  line.append(make('span', item.outcome === 'accepted' ? content : `${content} (${item.outcome})`, 'content'));
  const list = find('tail-items');
  list.prepend(line);
  while (list.children.length > 200) list.lastChild.remove();
  find('tail-empty').hidden = true;
};
const startTail = (channel) => {
  stopTail();
  find('tail-channel').value = channel;
  find('tail-items').replaceChildren();
  find('tail-empty').hidden = false;
  find('tail-empty').textContent = `Waiting for items on ${channel}.`;
  tailing = new EventSource(at(`api/tail?channel=${encodeURIComponent(channel)}`));
  tailing.addEventListener('begun', () => { find('tail').dataset.state = 'live'; });
  tailing.addEventListener('item', (event) => addItem(JSON.parse(event.data)));
  tailing.addEventListener('missed', (event) => say(`${JSON.parse(event.data).items} items were missed: too many came at once`, 'bad'));
  tailing.onerror = () => { if (tailing && tailing.readyState === EventSource.CLOSED) { say('The tail was refused or has ended.', 'bad'); stopTail(); } };
  find('tail-toggle').textContent = 'Stop';
};
find('tail-form').addEventListener('submit', (event) => {
  event.preventDefault();
  const channel = find('tail-channel').value;
  if (tailing) stopTail(); else if (channel) startTail(channel);
});

// Actions.
find('open-publish').addEventListener('click', () => {
  find('receipt').replaceChildren();
  if (!find('publish-channel').value) find('publish-channel').value = find('tail-channel').value;
  find('publish').showModal();
});
find('publish-form').addEventListener('submit', (event) => {
  if (!event.submitter || event.submitter.value !== 'yes') return;
  event.preventDefault();
  const channel = find('publish-channel').value;
  const content = find('publish-content').value;
  const item = { channel, formats: { 'http-response': { body: `${content}\n` }, 'http-stream': { content: `${content}\n` }, 'ws-message': { content } } };
  if (find('publish-id').value) item.id = find('publish-id').value;
  attempt(async () => {
    const told = await send('api/publish', { items: [item] });
    const [receipt] = told.receipts;
    const parts = [['queued for', receipt.queued], ['filtered for', receipt.filtered], ['undecided for', receipt.undecided]]
      .filter(([, n]) => n > 0).map(([what, n]) => `${what} ${count(n)}`);
    for (const [reason, n] of Object.entries(receipt.dropped)) parts.push(`dropped for ${count(n)}: ${reason}`);
    find('receipt').textContent = [receipt.outcome.replaceAll('-', ' '), ...parts].join(' · ');
  });
});
find('open-reload').addEventListener('click', async () => {
  if (!await confirmed('Reload', 'P-8 reads its configuration again. Held clients are untouched; a file with a mistake changes nothing.', 'Reload')) return;
  await attempt(async () => {
    const told = await send('reload');
    const changes = told.routes_added.length + told.routes_removed.length + told.routes_changed.length + told.keys_changed.length;
    say(changes ? `${count(changes)} changes are in force` : 'Nothing has changed');
  });
});
find('open-drain').addEventListener('click', async () => {
  if (!await confirmed('Drain', 'P-8 accepts nobody any more, ends what is held in good order, and stops.', 'Drain and stop')) return;
  await attempt(async () => { await send('api/drain'); say('P-8 is stopping'); });
});

drawHead();
attempt(readTable);
readHistory();
setInterval(() => { if (!document.hidden) readHistory(); }, 5000);
document.addEventListener('visibilitychange', () => { if (!document.hidden) { readHistory(); attempt(readTable); } });
live();
