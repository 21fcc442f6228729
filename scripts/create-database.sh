#!/usr/bin/env bash
# Run once by the database's container: the application gets its own database, and a role without superuser.
set -euo pipefail

psql --set ON_ERROR_STOP=1 --set "password=$POSTGRES_APP_PASSWORD" --username postgres --dbname postgres <<'SQL'
CREATE ROLE app LOGIN NOSUPERUSER PASSWORD :'password';
CREATE DATABASE rag OWNER app;
\connect rag
CREATE EXTENSION vector;
CREATE EXTENSION pg_trgm;
CREATE EXTENSION unaccent;
SQL
