-- A tenant names its pack (tenancy.tenant.country_pack); nothing of a country is written into the schema elsewhere.
-- These tables have no tenant: everybody reads them and only the owner writes them.

SET LOCAL ROLE erp_owner;

CREATE SCHEMA country;
COMMENT ON SCHEMA country IS 'What differs by country: identifiers, scales, curricula, holidays and rules. The same for every tenant.';

CREATE TABLE country.pack (
  code         text NOT NULL,
  name         text NOT NULL,
  country_code text,
  currency     text NOT NULL,
  locale       text NOT NULL,
  time_zone    text NOT NULL,
  year_starts  smallint NOT NULL,
  week_starts  smallint NOT NULL DEFAULT 1,
  created_at   timestamptz NOT NULL DEFAULT now(),
  updated_at   timestamptz NOT NULL DEFAULT now(),
  CONSTRAINT pack_country_code_check CHECK ((country_code ~ '^[A-Z]{2}$')),
  CONSTRAINT pack_currency_check CHECK ((currency ~ '^[A-Z]{3}$')),
  CONSTRAINT pack_year_starts_check CHECK ((year_starts BETWEEN 1 AND 12)),
  CONSTRAINT pack_week_starts_check CHECK ((week_starts BETWEEN 1 AND 7)),
  CONSTRAINT pack_pkey PRIMARY KEY (code)
);
COMMENT ON TABLE country.pack IS 'A country, or the generic pack for the rest.';
COMMENT ON COLUMN country.pack.code IS 'Short name, such as generic or indonesia.';
COMMENT ON COLUMN country.pack.name IS 'Name.';
COMMENT ON COLUMN country.pack.country_code IS 'ISO 3166-1 alpha-2; NULL for the generic pack.';
COMMENT ON COLUMN country.pack.currency IS 'ISO 4217.';
COMMENT ON COLUMN country.pack.locale IS 'BCP 47 language.';
COMMENT ON COLUMN country.pack.time_zone IS 'Usual IANA time zone.';
COMMENT ON COLUMN country.pack.year_starts IS 'Month in which school years start.';
COMMENT ON COLUMN country.pack.week_starts IS 'First school day of the week, 1 for Monday.';

CREATE TABLE country.identifier_scheme (
  pack_code  text NOT NULL,
  code       text NOT NULL,
  name       text NOT NULL,
  applies_to text NOT NULL,
  pattern    text NOT NULL,
  example    text NOT NULL,
  created_at timestamptz NOT NULL DEFAULT now(),
  updated_at timestamptz NOT NULL DEFAULT now(),
  CONSTRAINT identifier_scheme_applies_to_check CHECK (applies_to IN ('student', 'staff', 'person', 'organisation')),
  CONSTRAINT identifier_scheme_example_check CHECK (example ~ ('^(' || pattern || ')$')),
  CONSTRAINT identifier_scheme_pkey PRIMARY KEY (pack_code, code),
  CONSTRAINT identifier_scheme_pack_fkey FOREIGN KEY (pack_code) REFERENCES country.pack (code)
);
COMMENT ON TABLE country.identifier_scheme IS 'A number that an authority gives to a person or a school.';
COMMENT ON COLUMN country.identifier_scheme.pack_code IS 'Pack.';
COMMENT ON COLUMN country.identifier_scheme.code IS 'Short name, such as nisn.';
COMMENT ON COLUMN country.identifier_scheme.name IS 'Full name.';
COMMENT ON COLUMN country.identifier_scheme.applies_to IS 'Who has such a number.';
COMMENT ON COLUMN country.identifier_scheme.pattern IS 'Regular expression that the whole number matches.';
COMMENT ON COLUMN country.identifier_scheme.example IS 'A number of the right form, given to nobody.';

CREATE TABLE country.grading_scale (
  pack_code  text NOT NULL,
  code       text NOT NULL,
  name       text NOT NULL,
  kind       text NOT NULL,
  lowest     numeric(6,2) NOT NULL,
  highest    numeric(6,2) NOT NULL,
  bands      jsonb NOT NULL,
  created_at timestamptz NOT NULL DEFAULT now(),
  updated_at timestamptz NOT NULL DEFAULT now(),
  CONSTRAINT grading_scale_kind_check CHECK (kind IN ('percentage', 'letter', 'points', 'descriptive')),
  CONSTRAINT grading_scale_bands_check CHECK ((jsonb_typeof(bands) = 'array')),
  CONSTRAINT grading_scale_range_check CHECK (highest > lowest),
  CONSTRAINT grading_scale_pkey PRIMARY KEY (pack_code, code),
  CONSTRAINT grading_scale_pack_fkey FOREIGN KEY (pack_code) REFERENCES country.pack (code)
);
COMMENT ON TABLE country.grading_scale IS 'A scale that schools of the country use.';
COMMENT ON COLUMN country.grading_scale.pack_code IS 'Pack.';
COMMENT ON COLUMN country.grading_scale.code IS 'Short name.';
COMMENT ON COLUMN country.grading_scale.name IS 'Name.';
COMMENT ON COLUMN country.grading_scale.kind IS 'What a grade looks like.';
COMMENT ON COLUMN country.grading_scale.lowest IS 'Lowest score.';
COMMENT ON COLUMN country.grading_scale.highest IS 'Highest score.';
COMMENT ON COLUMN country.grading_scale.bands IS 'Bands from low to high, as [{code, name, from, pass}].';

CREATE TABLE country.curriculum (
  pack_code     text NOT NULL,
  code          text NOT NULL,
  name          text NOT NULL,
  stages        jsonb NOT NULL,
  subjects      jsonb NOT NULL,
  project_scale text,
  created_at    timestamptz NOT NULL DEFAULT now(),
  updated_at    timestamptz NOT NULL DEFAULT now(),
  CONSTRAINT curriculum_stages_check CHECK ((jsonb_typeof(stages) = 'array')),
  CONSTRAINT curriculum_subjects_check CHECK ((jsonb_typeof(subjects) = 'array')),
  CONSTRAINT curriculum_pkey PRIMARY KEY (pack_code, code),
  CONSTRAINT curriculum_pack_fkey FOREIGN KEY (pack_code) REFERENCES country.pack (code)
);
COMMENT ON TABLE country.curriculum IS 'A curriculum with its stages.';
COMMENT ON COLUMN country.curriculum.pack_code IS 'Pack.';
COMMENT ON COLUMN country.curriculum.code IS 'Short name.';
COMMENT ON COLUMN country.curriculum.name IS 'Name.';
COMMENT ON COLUMN country.curriculum.stages IS 'Stages, as [{code, name, grades}].';
COMMENT ON COLUMN country.curriculum.subjects IS 'Subjects, as [{code, name, kind}].';
COMMENT ON COLUMN country.curriculum.project_scale IS 'Scale of its projects, where it has projects.';

CREATE TABLE country.holiday (
  pack_code  text NOT NULL,
  month      smallint NOT NULL,
  day        smallint NOT NULL,
  name       text NOT NULL,
  created_at timestamptz NOT NULL DEFAULT now(),
  updated_at timestamptz NOT NULL DEFAULT now(),
  CONSTRAINT holiday_month_check CHECK ((month BETWEEN 1 AND 12)),
  CONSTRAINT holiday_day_check CHECK ((day BETWEEN 1 AND 31)),
  CONSTRAINT holiday_pkey PRIMARY KEY (pack_code, month, day),
  CONSTRAINT holiday_pack_fkey FOREIGN KEY (pack_code) REFERENCES country.pack (code)
);
COMMENT ON TABLE country.holiday IS 'A public holiday on a fixed date; moving ones are entered by the year.';
COMMENT ON COLUMN country.holiday.pack_code IS 'Pack.';
COMMENT ON COLUMN country.holiday.month IS 'Month.';
COMMENT ON COLUMN country.holiday.day IS 'Day of the month.';
COMMENT ON COLUMN country.holiday.name IS 'Name.';

CREATE TABLE country.rule (
  pack_code  text NOT NULL,
  domain     text NOT NULL,
  code       text NOT NULL,
  name       text NOT NULL,
  value      jsonb NOT NULL,
  created_at timestamptz NOT NULL DEFAULT now(),
  updated_at timestamptz NOT NULL DEFAULT now(),
  CONSTRAINT rule_domain_check CHECK (domain IN ('fees', 'leave', 'attendance', 'payroll')),
  CONSTRAINT rule_pkey PRIMARY KEY (pack_code, domain, code),
  CONSTRAINT rule_pack_fkey FOREIGN KEY (pack_code) REFERENCES country.pack (code)
);
COMMENT ON TABLE country.rule IS 'A rule of the country that the applications ask for by name.';
COMMENT ON COLUMN country.rule.pack_code IS 'Pack.';
COMMENT ON COLUMN country.rule.domain IS 'What it is about.';
COMMENT ON COLUMN country.rule.code IS 'Short name.';
COMMENT ON COLUMN country.rule.name IS 'What it says.';
COMMENT ON COLUMN country.rule.value IS 'Its figures.';

INSERT INTO country.pack (code, name, country_code, currency, locale, time_zone, year_starts, week_starts) VALUES
  ('generic', 'Generic', NULL, 'USD', 'en', 'UTC', 9, 1),
  ('indonesia', 'Indonesia', 'ID', 'IDR', 'id', 'Asia/Jakarta', 7, 1);

INSERT INTO country.identifier_scheme (pack_code, code, name, applies_to, pattern, example) VALUES
  ('generic', 'national_id', 'National identity number', 'person', '[A-Za-z0-9 ./-]{4,30}', 'AB-123456'),
  ('generic', 'student_id', 'Student number of the authority', 'student', '[A-Za-z0-9-]{3,30}', 'S-000123'),
  ('generic', 'school_id', 'School number of the authority', 'organisation', '[A-Za-z0-9-]{2,30}', 'SCH-01'),
  ('indonesia', 'npsn', 'Nomor Pokok Sekolah Nasional', 'organisation', '[0-9]{8}', '20104567'),
  ('indonesia', 'nisn', 'Nomor Induk Siswa Nasional', 'student', '[0-9]{10}', '0091234567'),
  ('indonesia', 'nik', 'Nomor Induk Kependudukan', 'person', '[0-9]{16}', '3174010101900001'),
  ('indonesia', 'nip', 'Nomor Induk Pegawai', 'staff', '[0-9]{18}', '198501012010011001'),
  ('indonesia', 'nuptk', 'Nomor Unik Pendidik dan Tenaga Kependidikan', 'staff', '[0-9]{16}', '1234567890123456');

INSERT INTO country.grading_scale (pack_code, code, name, kind, lowest, highest, bands) VALUES
  ('generic', 'letter', 'Letters A to F', 'letter', 0, 100, '[
    {"code": "F", "name": "Fail", "from": 0, "pass": false},
    {"code": "D", "name": "Sufficient", "from": 50, "pass": true},
    {"code": "C", "name": "Satisfactory", "from": 60, "pass": true},
    {"code": "B", "name": "Good", "from": 75, "pass": true},
    {"code": "A", "name": "Excellent", "from": 90, "pass": true}]'),
  ('indonesia', 'merdeka', 'Predikat Kurikulum Merdeka', 'letter', 0, 100, '[
    {"code": "D", "name": "Kurang", "from": 0, "pass": false},
    {"code": "C", "name": "Cukup", "from": 70, "pass": true},
    {"code": "B", "name": "Baik", "from": 80, "pass": true},
    {"code": "A", "name": "Sangat Baik", "from": 90, "pass": true}]'),
  ('indonesia', 'p5', 'Projek Penguatan Profil Pelajar Pancasila', 'descriptive', 0, 4, '[
    {"code": "BB", "name": "Belum Berkembang", "from": 0, "pass": false},
    {"code": "MB", "name": "Mulai Berkembang", "from": 1, "pass": true},
    {"code": "BSH", "name": "Berkembang Sesuai Harapan", "from": 2, "pass": true},
    {"code": "SB", "name": "Sangat Berkembang", "from": 3, "pass": true}]');

INSERT INTO country.curriculum (pack_code, code, name, stages, subjects, project_scale) VALUES
  ('generic', 'standard', 'Standard curriculum', '[
    {"code": "primary", "name": "Primary", "grades": ["01", "02", "03", "04", "05", "06"]},
    {"code": "lower", "name": "Lower secondary", "grades": ["07", "08", "09"]},
    {"code": "upper", "name": "Upper secondary", "grades": ["10", "11", "12"]}]', '[
    {"code": "ENG", "name": "English", "kind": "language"},
    {"code": "MAT", "name": "Mathematics", "kind": "core"},
    {"code": "SCI", "name": "Science", "kind": "core"},
    {"code": "HIS", "name": "History", "kind": "core"},
    {"code": "ART", "name": "Art", "kind": "arts"},
    {"code": "PHE", "name": "Physical Education", "kind": "sport"}]', NULL),
  ('indonesia', 'merdeka', 'Kurikulum Merdeka', '[
    {"code": "A", "name": "Fase A", "grades": ["01", "02"]},
    {"code": "B", "name": "Fase B", "grades": ["03", "04"]},
    {"code": "C", "name": "Fase C", "grades": ["05", "06"]},
    {"code": "D", "name": "Fase D", "grades": ["07", "08", "09"]},
    {"code": "E", "name": "Fase E", "grades": ["10"]},
    {"code": "F", "name": "Fase F", "grades": ["11", "12"]}]', '[
    {"code": "BIN", "name": "Bahasa Indonesia", "kind": "language"},
    {"code": "MTK", "name": "Matematika", "kind": "core"},
    {"code": "IPAS", "name": "Ilmu Pengetahuan Alam dan Sosial", "kind": "core"},
    {"code": "PPN", "name": "Pendidikan Pancasila", "kind": "core"},
    {"code": "PAB", "name": "Pendidikan Agama dan Budi Pekerti", "kind": "religion"},
    {"code": "SBD", "name": "Seni Budaya", "kind": "arts"},
    {"code": "PJO", "name": "Pendidikan Jasmani, Olahraga, dan Kesehatan", "kind": "sport"},
    {"code": "P5", "name": "Projek Penguatan Profil Pelajar Pancasila", "kind": "project"}]', 'p5');

INSERT INTO country.holiday (pack_code, month, day, name) VALUES
  ('generic', 1, 1, 'New Year'), ('generic', 5, 1, 'Labour Day'), ('generic', 12, 25, 'Christmas Day'),
  ('indonesia', 1, 1, 'Tahun Baru Masehi'), ('indonesia', 5, 1, 'Hari Buruh Internasional'),
  ('indonesia', 6, 1, 'Hari Lahir Pancasila'), ('indonesia', 8, 17, 'Hari Kemerdekaan'),
  ('indonesia', 12, 25, 'Hari Raya Natal');

INSERT INTO country.rule (pack_code, domain, code, name, value) VALUES
  ('generic', 'leave', 'annual', 'Days of paid leave a year', '{"days": 20}'),
  ('generic', 'attendance', 'minimum', 'Lowest attendance for promotion', '{"percent": 75}'),
  ('generic', 'fees', 'late', 'Fine for late payment', '{"percent_per_month": 1}'),
  ('indonesia', 'leave', 'annual', 'Cuti tahunan', '{"days": 12}'),
  ('indonesia', 'leave', 'maternity', 'Cuti melahirkan', '{"days": 90}'),
  ('indonesia', 'attendance', 'minimum', 'Kehadiran minimum', '{"percent": 75}'),
  ('indonesia', 'fees', 'spp', 'SPP dibayar bulanan', '{"instalments": 12}');

ALTER TABLE tenancy.tenant ADD CONSTRAINT tenant_country_pack_fkey
  FOREIGN KEY (country_pack) REFERENCES country.pack (code);
CREATE INDEX tenant_country_pack_idx ON tenancy.tenant (country_pack);
INSERT INTO tenancy.constraint_message (schema_name, table_name, constraint_name, message) VALUES
  ('tenancy', 'tenant', 'tenant_country_pack_fkey', 'There is no such country pack.');

GRANT SELECT ON ALL TABLES IN SCHEMA country TO erp_app, erp_analyst;

INSERT INTO tenancy.constraint_message (schema_name, table_name, constraint_name, message) VALUES
  ('country', 'pack', 'pack_country_code_check', 'A country code is two capital letters.'),
  ('country', 'pack', 'pack_currency_check', 'A currency is three capital letters.'),
  ('country', 'pack', 'pack_year_starts_check', 'A month is between 1 and 12.'),
  ('country', 'pack', 'pack_week_starts_check', 'A weekday is between 1 and 7.'),
  ('country', 'pack', 'pack_pkey', 'This pack exists already.'),
  ('country', 'identifier_scheme', 'identifier_scheme_applies_to_check', 'Identifier scheme: applies to must be one of student, staff, person, organisation.'),
  ('country', 'identifier_scheme', 'identifier_scheme_example_check', 'The example of an identifier matches its own pattern.'),
  ('country', 'identifier_scheme', 'identifier_scheme_pkey', 'This identifier is in the pack already.'),
  ('country', 'identifier_scheme', 'identifier_scheme_pack_fkey', 'The pack does not exist.'),
  ('country', 'grading_scale', 'grading_scale_kind_check', 'Grading scale: kind must be one of percentage, letter, points, descriptive.'),
  ('country', 'grading_scale', 'grading_scale_bands_check', 'The bands of a scale are a JSON array.'),
  ('country', 'grading_scale', 'grading_scale_range_check', 'The highest score of a scale is above the lowest.'),
  ('country', 'grading_scale', 'grading_scale_pkey', 'This scale is in the pack already.'),
  ('country', 'grading_scale', 'grading_scale_pack_fkey', 'The pack does not exist.'),
  ('country', 'curriculum', 'curriculum_stages_check', 'The stages of a curriculum are a JSON array.'),
  ('country', 'curriculum', 'curriculum_subjects_check', 'The subjects of a curriculum are a JSON array.'),
  ('country', 'curriculum', 'curriculum_pkey', 'This curriculum is in the pack already.'),
  ('country', 'curriculum', 'curriculum_pack_fkey', 'The pack does not exist.'),
  ('country', 'holiday', 'holiday_month_check', 'A month is between 1 and 12.'),
  ('country', 'holiday', 'holiday_day_check', 'A day is between 1 and 31.'),
  ('country', 'holiday', 'holiday_pkey', 'This holiday is in the pack already.'),
  ('country', 'holiday', 'holiday_pack_fkey', 'The pack does not exist.'),
  ('country', 'rule', 'rule_domain_check', 'Rule: domain must be one of fees, leave, attendance, payroll.'),
  ('country', 'rule', 'rule_pkey', 'This rule is in the pack already.'),
  ('country', 'rule', 'rule_pack_fkey', 'The pack does not exist.');

CALL tenancy.protect_schema('country');

RESET ROLE;
