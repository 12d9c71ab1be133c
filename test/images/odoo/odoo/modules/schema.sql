-- The tables of Odoo that odpm and its tests read or change, with the columns
-- that they have in Odoo 18, as far as anything here uses them.
CREATE TABLE ir_module_module (
    id serial PRIMARY KEY, name varchar NOT NULL UNIQUE, state varchar(16), latest_version varchar,
    author varchar, shortdesc jsonb, application boolean DEFAULT false, demo boolean DEFAULT false,
    auto_install boolean DEFAULT false, imported boolean, create_date timestamp, write_date timestamp);
CREATE TABLE ir_module_module_dependency (
    id serial PRIMARY KEY, name varchar, module_id integer REFERENCES ir_module_module ON DELETE CASCADE,
    auto_install_required boolean DEFAULT true);
CREATE TABLE ir_config_parameter (
    id serial PRIMARY KEY, key varchar NOT NULL UNIQUE, value text NOT NULL,
    create_date timestamp, write_date timestamp);
CREATE TABLE res_company (id serial PRIMARY KEY, name varchar NOT NULL, partner_id integer);
CREATE TABLE res_partner (
    id serial PRIMARY KEY, name varchar, complete_name varchar, company_id integer REFERENCES res_company,
    email varchar, lang varchar, tz varchar, type varchar, active boolean DEFAULT true,
    create_date timestamp, write_date timestamp);
CREATE TABLE res_users (
    id serial PRIMARY KEY, company_id integer NOT NULL REFERENCES res_company,
    partner_id integer NOT NULL REFERENCES res_partner, active boolean DEFAULT true,
    login varchar NOT NULL UNIQUE, password varchar, signature text, share boolean,
    totp_secret varchar, create_uid integer, write_uid integer,
    create_date timestamp, write_date timestamp);
CREATE TABLE res_users_apikeys (
    id serial PRIMARY KEY, name varchar NOT NULL, user_id integer NOT NULL REFERENCES res_users ON DELETE CASCADE,
    scope varchar, index varchar(8), key varchar, create_date timestamp DEFAULT (now() AT TIME ZONE 'utc'));
CREATE TABLE res_lang (
    id serial PRIMARY KEY, name varchar NOT NULL UNIQUE, code varchar NOT NULL UNIQUE, iso_code varchar,
    url_code varchar NOT NULL UNIQUE, active boolean);
CREATE TABLE ir_model_data (
    id serial PRIMARY KEY, module varchar NOT NULL, name varchar NOT NULL, model varchar NOT NULL,
    res_id integer, noupdate boolean DEFAULT false,
    create_date timestamp DEFAULT (now() AT TIME ZONE 'utc'), write_date timestamp DEFAULT (now() AT TIME ZONE 'utc'),
    UNIQUE (module, name));
CREATE TABLE ir_attachment (
    id serial PRIMARY KEY, name varchar NOT NULL, res_model varchar, res_field varchar, res_id integer,
    company_id integer, type varchar NOT NULL, url varchar(1024), public boolean, access_token varchar,
    db_datas bytea, store_fname varchar, file_size integer, checksum varchar(40), mimetype varchar,
    index_content text, description text, create_uid integer, write_uid integer,
    create_date timestamp, write_date timestamp);
CREATE INDEX ir_attachment__store_fname_index ON ir_attachment (store_fname);
CREATE TABLE ir_cron (
    id serial PRIMARY KEY, cron_name varchar, user_id integer NOT NULL REFERENCES res_users,
    interval_number integer NOT NULL CHECK (interval_number > 0), interval_type varchar NOT NULL,
    active boolean, priority integer, nextcall timestamp NOT NULL, lastcall timestamp,
    create_date timestamp, write_date timestamp);
CREATE TABLE ir_mail_server (
    id serial PRIMARY KEY, name varchar NOT NULL, smtp_host varchar, smtp_port integer, sequence integer,
    smtp_user varchar, smtp_pass varchar, smtp_encryption varchar NOT NULL,
    smtp_authentication varchar NOT NULL, active boolean,
    create_date timestamp, write_date timestamp);

CREATE SEQUENCE base_registry_signaling;
CREATE SEQUENCE base_cache_signaling_default;
CREATE SEQUENCE base_cache_signaling_assets;
CREATE SEQUENCE base_cache_signaling_templates;
CREATE SEQUENCE base_cache_signaling_routing;
CREATE SEQUENCE base_cache_signaling_groups;
SELECT nextval('base_registry_signaling'), nextval('base_cache_signaling_default'),
       nextval('base_cache_signaling_assets'), nextval('base_cache_signaling_templates'),
       nextval('base_cache_signaling_routing'), nextval('base_cache_signaling_groups');

INSERT INTO res_company (name) VALUES ('My Company');
INSERT INTO res_partner (name, complete_name, company_id, email, lang, type)
VALUES ('My Company', 'My Company', 1, NULL, 'en_US', 'contact'),
       ('System', 'System', 1, 'root@example.com', 'en_US', 'contact'),
       ('Administrator', 'Administrator', 1, 'admin@example.com', 'en_US', 'contact');
UPDATE res_company SET partner_id = 1;
INSERT INTO res_users (company_id, partner_id, active, login, share)
VALUES (1, 2, false, '__system__', false), (1, 3, true, 'admin', false);
INSERT INTO res_lang (name, code, iso_code, url_code, active) VALUES ('English (US)', 'en_US', 'en', 'en', true);
INSERT INTO ir_model_data (module, name, model, res_id, noupdate)
VALUES ('base', 'main_company', 'res.company', 1, true), ('base', 'main_partner', 'res.partner', 1, true),
       ('base', 'user_root', 'res.users', 1, true), ('base', 'user_admin', 'res.users', 2, true),
       ('base', 'lang_en', 'res.lang', 1, true), ('base', 'autovacuum_job', 'ir.cron', 1, true);
INSERT INTO ir_config_parameter (key, value)
VALUES ('database.secret', md5(random()::text || clock_timestamp()::text)::uuid::text), ('database.uuid', md5(random()::text || clock_timestamp()::text)::uuid::text),
       ('database.create_date', to_char(now() AT TIME ZONE 'utc', 'YYYY-MM-DD HH24:MI:SS')),
       ('web.base.url', 'http://localhost:8069'),
       ('base.login_cooldown_after', '10'), ('base.login_cooldown_duration', '60');
INSERT INTO ir_cron (cron_name, user_id, interval_number, interval_type, active, priority, nextcall)
VALUES ('Base: Auto-vacuum internal data', 1, 1, 'days', true, 3, now()),
       ('Base: Portal Users Deletion', 1, 1, 'days', true, 8, now());
