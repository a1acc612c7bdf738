// The explorer's page: plain JavaScript, because it has to say more about the schema than about itself.

const $ = (id) => document.getElementById(id);
const get = async (path) => {
  const response = await fetch(path);
  const value = await response.json();
  if (!response.ok) throw new Error(value.error);
  return value;
};
const node = (tag, attributes = {}, ...children) => {
  const made = Object.assign(document.createElement(tag), attributes);
  made.append(...children);
  return made;
};

let domains = [];
let counts = new Map();
let chosen = { domain: '', table: '' };
const tables = () => domains.flatMap((domain) => domain.tables);
const domainOf = (table) => table.split('.')[0];
const number = (n) => Math.round(n).toLocaleString('en');
const size = (bytes) =>
  bytes < 1048576 ? `${Math.round(bytes / 1024)} kB` : `${(bytes / 1048576).toFixed(1)} MB`;

async function loadSchema() {
  domains = await get('/api/schema');
  if (!tables().some((table) => table.name === chosen.table)) chosen.table = '';
  showDomains();
  search();
  // Columns are there at once; the picture of a large domain takes a moment to lay out.
  if (chosen.table) showDetails(chosen.table);
  await chooseDomain(domains.some((d) => d.name === chosen.domain) ? chosen.domain : 'people');
  $('state').textContent = `${domains.length} domains, ${tables().length} tables`;
  document.body.dataset.version = String(Number(document.body.dataset.version ?? 0) + 1);
}

async function loadCounts() {
  counts = new Map((await get('/api/counts')).map((count) => [count.name, count]));
  showDomains();
  if (chosen.table) showDetails(chosen.table);
}

function showDomains() {
  $('domains').replaceChildren(
    ...domains.map((domain) => {
      const rows = domain.tables.reduce((sum, table) => sum + (counts.get(table.name)?.rows ?? 0), 0);
      const button = node(
        'button',
        { type: 'button', title: domain.comment, onclick: () => chooseDomain(domain.name) },
        domain.name,
        node('small', { title: `${domain.tables.length} tables` }, rows > 0 ? `${number(rows)} rows` : ''),
      );
      button.setAttribute('aria-current', String(domain.name === chosen.domain));
      return node('li', {}, button);
    }),
  );
}

// Diagram

let view = { x: 0, y: 0, scale: 1 };
const move = () => {
  const svg = $('canvas').querySelector('svg');
  if (svg) svg.style.transform = `translate(${view.x}px, ${view.y}px) scale(${view.scale})`;
};

async function chooseDomain(name) {
  chosen = { domain: name, table: domainOf(chosen.table) === name ? chosen.table : '' };
  showDomains();
  const response = await fetch(`/diagrams/${name}.svg`);
  // The picture is our own server's, made from the catalog with every name escaped.
  const picture = new DOMParser().parseFromString(await response.text(), 'image/svg+xml').documentElement;
  $('canvas').replaceChildren(
    response.ok ? document.importNode(picture, true) : node('p', {}, 'No tables here.'),
  );
  fit();
  showDictionary();
  if (chosen.table) mark();
  else showDomain(name);
}

function fit() {
  const svg = $('canvas').querySelector('svg');
  if (!svg) return;
  const { clientWidth, clientHeight } = $('canvas');
  const scale = Math.min(1, clientWidth / svg.width.baseVal.value, clientHeight / svg.height.baseVal.value);
  const fitted = Math.max(0.15, scale * 0.96);
  view = {
    x: Math.max(12, (clientWidth - svg.width.baseVal.value * fitted) / 2),
    y: Math.max(12, (clientHeight - svg.height.baseVal.value * fitted) / 2),
    scale: fitted,
  };
  move();
}

function zoom(factor, x = $('canvas').clientWidth / 2, y = $('canvas').clientHeight / 2) {
  const scale = Math.min(4, Math.max(0.1, view.scale * factor));
  const by = scale / view.scale;
  view = { x: x - (x - view.x) * by, y: y - (y - view.y) * by, scale };
  move();
}

/** Shows the chosen table, what it refers to and what refers to it; the rest steps back. */
function mark() {
  const near = new Set([chosen.table]);
  for (const line of $('canvas').querySelectorAll('.reference')) {
    const ends = [line.dataset.from, line.dataset.to];
    line.classList.toggle('chosen', ends.includes(chosen.table));
    if (ends.includes(chosen.table)) for (const end of ends) near.add(end);
  }
  for (const box of $('canvas').querySelectorAll('.table')) {
    box.classList.toggle('chosen', box.dataset.table === chosen.table);
    box.classList.toggle('near', near.has(box.dataset.table));
  }
  $('canvas')
    .querySelector('svg')
    ?.classList.toggle('choosing', chosen.table !== '');
}

function centre(table) {
  const box = $('canvas').querySelector(`[data-table="${CSS.escape(table)}"]`);
  if (!box) return;
  const { e: x, f: y } = box.transform.baseVal.getItem(0).matrix;
  view.scale = Math.max(view.scale, 0.8);
  view.x = $('canvas').clientWidth / 2 - (x + 80) * view.scale;
  view.y = $('canvas').clientHeight / 3 - y * view.scale;
  move();
}

async function chooseTable(name) {
  chosen.table = name;
  // The picture of another domain takes a moment to lay out; the columns are there at once.
  showDetails(name);
  if ($('queries').hidden === false) showView('diagram');
  if (domainOf(name) !== chosen.domain) await chooseDomain(domainOf(name));
  mark();
  centre(name);
  document.getElementById(`entry-${name}`)?.scrollIntoView();
  history.replaceState(null, '', `#${name}`);
}

// Details

const link = (name) =>
  node('button', { type: 'button', className: 'link', onclick: () => chooseTable(name) }, name);

function showDomain(name) {
  const domain = domains.find((candidate) => candidate.name === name);
  if (!domain) return;
  $('details').replaceChildren(
    node('h2', {}, name),
    node('p', {}, domain.comment),
    ...(domain.functions.length > 0 ? [node('h3', {}, 'Functions')] : []),
    ...domain.functions.map((f) =>
      node('p', {}, node('code', {}, `${f.name}(${f.signature})`), node('br'), f.comment),
    ),
  );
}

/** The columns of a table, with the tables that they lead to. */
function columnsOf(table) {
  const rows = table.columns.map((column) => {
    const to =
      column.name !== 'tenant_id' && table.references.find((r) => r.columns.includes(column.name))?.to;
    return node(
      'tr',
      {},
      node(
        'td',
        {},
        node('code', {}, column.name),
        node('br'),
        node('small', {}, `${column.type}${column.nullable ? ', may be empty' : ''}`),
      ),
      node('td', {}, column.comment, ...(to ? [node('br'), link(to)] : [])),
    );
  });
  return node('table', {}, ...rows);
}

/** Every table of the domain, to read from top to bottom. */
function showDictionary() {
  const domain = domains.find((candidate) => candidate.name === chosen.domain);
  if (!domain) return;
  $('dictionary').replaceChildren(
    node('h2', {}, domain.name),
    node('p', {}, domain.comment),
    ...domain.tables.flatMap((table) => [
      node('h2', { id: `entry-${table.name}` }, link(table.name)),
      node('p', {}, table.comment),
      columnsOf(table),
      ...(table.rules.length > 0 ? [node('h3', {}, 'Rules')] : []),
      ...table.rules.map((rule) =>
        node('p', {}, rule.message, ' ', node('code', { className: 'quiet' }, rule.definition)),
      ),
    ]),
  );
}

function showDetails(name) {
  const table = tables().find((candidate) => candidate.name === name);
  if (!table) return;
  const count = counts.get(name);
  const users = tables().filter((other) => other.references.some((reference) => reference.to === name));
  $('details').replaceChildren(
    node('h2', {}, name),
    node('p', {}, table.comment),
    node('p', { className: 'quiet' }, count ? `${number(count.rows)} rows, ${size(count.bytes)}` : ''),
    columnsOf(table),
    node('h3', {}, 'Rules'),
    node('ul', {}, ...table.rules.map((rule) => node('li', { title: rule.definition }, rule.message))),
    node('h3', { hidden: users.length === 0 }, 'Referred to by'),
    node('ul', {}, ...users.map((other) => node('li', {}, link(other.name)))),
  );
}

// Search

function search() {
  const text = $('search').value.trim().toLowerCase();
  $('domains').hidden = text !== '';
  $('found').hidden = text === '';
  if (text === '') return;
  const found = tables()
    .map((table) => ({
      table,
      column: table.columns.find((c) => c.name.includes(text) || c.comment.toLowerCase().includes(text)),
      rank: table.name.includes(text) ? 0 : table.comment.toLowerCase().includes(text) ? 1 : 2,
    }))
    .filter(({ column, rank }) => rank < 2 || column)
    .sort((a, b) => a.rank - b.rank)
    .slice(0, 60);
  $('found').replaceChildren(
    ...found.map(({ table, column, rank }) =>
      node(
        'li',
        {},
        node(
          'button',
          { type: 'button', onclick: () => chooseTable(table.name) },
          table.name,
          node('small', {}, rank === 2 ? (column?.name ?? '') : ''),
        ),
      ),
    ),
  );
}

// Queries

async function loadSamples() {
  const tenant = encodeURIComponent($('tenant').value);
  const list = await get(`/api/samples?tenant=${tenant}`);
  $('samples').replaceChildren(
    ...list.map((sample) =>
      node(
        'li',
        {},
        node(
          'button',
          { type: 'button', title: sample.statement, onclick: () => runSample(sample.name) },
          sample.about,
        ),
      ),
    ),
  );
}

const cell = (value) =>
  value === null ? '' : typeof value === 'object' ? JSON.stringify(value) : String(value);

async function runSample(name) {
  const tenant = encodeURIComponent($('tenant').value);
  const result = await get(`/api/run?tenant=${tenant}&sample=${encodeURIComponent(name)}`);
  const columns = Object.keys(result.rows[0] ?? {});
  $('result').replaceChildren(
    node('h2', {}, result.about),
    node('pre', {}, result.statement),
    node('p', { className: 'quiet' }, `${result.count} rows in ${result.ms.toFixed(1)} ms`),
    node(
      'div',
      { className: 'rows', hidden: result.rows.length === 0 },
      node(
        'table',
        {},
        node('tr', {}, ...columns.map((column) => node('th', {}, column))),
        ...result.rows.map((row) =>
          node('tr', {}, ...columns.map((column) => node('td', {}, cell(row[column])))),
        ),
      ),
    ),
    node('h3', {}, 'Plan'),
    node('pre', { id: 'plan' }, result.plan),
  );
}

function showView(name) {
  for (const view of ['diagram', 'dictionary', 'queries']) $(view).hidden = view !== name;
  for (const button of $('views').children)
    button.setAttribute('aria-pressed', String(button.dataset.view === name));
  $('details').hidden = name !== 'diagram';
  if (name === 'diagram') fit();
  if (name === 'queries') loadSamples();
}

// Events

$('search').addEventListener('input', search);
document.addEventListener('keydown', (event) => {
  if (event.key === '/' && document.activeElement !== $('search')) {
    event.preventDefault();
    $('search').focus();
  } else if (event.key === 'Escape') {
    $('search').value = '';
    search();
  }
});
$('views').addEventListener(
  'click',
  (event) => event.target.dataset.view && showView(event.target.dataset.view),
);
$('zoom').addEventListener('click', (event) => {
  const { zoom: by } = event.target.dataset;
  if (by === 'fit') fit();
  else if (by) zoom(Number(by));
});
$('canvas').addEventListener('click', (event) => {
  const box = event.target.closest?.('.table');
  if (box && !dragged) chooseTable(box.dataset.table);
});
$('canvas').addEventListener(
  'wheel',
  (event) => {
    event.preventDefault();
    const frame = $('canvas').getBoundingClientRect();
    zoom(event.deltaY < 0 ? 1.1 : 0.9, event.clientX - frame.left, event.clientY - frame.top);
  },
  { passive: false },
);
let from;
let dragged = false;
$('canvas').addEventListener('pointerdown', (event) => {
  from = { x: event.clientX - view.x, y: event.clientY - view.y };
  dragged = false;
});
window.addEventListener('pointermove', (event) => {
  if (!from) return;
  const next = { x: event.clientX - from.x, y: event.clientY - from.y };
  if (Math.abs(next.x - view.x) + Math.abs(next.y - view.y) > 3) dragged = true;
  view = { ...view, ...next };
  move();
});
window.addEventListener('pointerup', () => {
  from = undefined;
});
$('tenant').addEventListener('change', loadSamples);

const events = new EventSource('/events');
events.onmessage = async (message) => {
  const change = JSON.parse(message.data);
  $('problem').hidden = change.kind !== 'problem';
  if (change.kind === 'problem') $('problem').textContent = change.message;
  else {
    await loadSchema();
    await loadCounts();
  }
};

const tenants = await get('/api/tenants');
$('tenant').replaceChildren(...tenants.map((tenant) => node('option', { value: tenant.code }, tenant.name)));
if (tenants.some((tenant) => tenant.code === 'demo')) $('tenant').value = 'demo';
showView('diagram');
await loadCounts();
await loadSchema();
if (location.hash.length > 1) await chooseTable(location.hash.slice(1));
setInterval(loadCounts, 5000);
