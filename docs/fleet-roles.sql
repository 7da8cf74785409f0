-- Rights in the database of a fleet (docs/fleet-database.md).
-- The owner runs it after each "vpnmigrate fleet database upgrade":
--   psql "$VPNMIGRATE_DATABASE" --set ON_ERROR_STOP=1 --file fleet-roles.sql
-- It may be run again: it first takes all rights back.
BEGIN;

REVOKE ALL ON ALL TABLES IN SCHEMA public
  FROM PUBLIC, vpnmigrate_worker, vpnmigrate_operator, vpnmigrate_reader;
REVOKE ALL ON ALL SEQUENCES IN SCHEMA public
  FROM PUBLIC, vpnmigrate_worker, vpnmigrate_operator, vpnmigrate_reader;
GRANT USAGE ON SCHEMA public TO vpnmigrate_worker, vpnmigrate_operator, vpnmigrate_reader;

-- All roles read: fleet status, fleet serve.
GRANT SELECT ON fleet_version, fleet, fleet_campaign, fleet_wave_approval, fleet_run, fleet_journal,
  fleet_message, fleet_approval, fleet_rehearsal, fleet_worker
  TO vpnmigrate_worker, vpnmigrate_operator, vpnmigrate_reader;

-- Workers: leases, progress, starts by the rules of a campaign and orders that have waited for a
-- slot; journals only grow.
GRANT UPDATE (goal, terms, ordered, wake, served, due_at, fence, lease_owner, lease_until, outage, progress,
  progress_since, summary, trouble, lines, head) ON fleet_run TO vpnmigrate_worker;
GRANT INSERT ON fleet_journal TO vpnmigrate_worker;
GRANT UPDATE (state) ON fleet_message TO vpnmigrate_worker;
GRANT INSERT, UPDATE, DELETE ON fleet_worker TO vpnmigrate_worker;
GRANT SELECT, INSERT, UPDATE, DELETE ON pgqueuer, pgqueuer_log, pgqueuer_statistics,
  pgqueuer_schedules TO vpnmigrate_worker;

-- Operators: plans, campaigns, starts, orders, approvals, rehearsals; no lease and no journal.
GRANT INSERT ON fleet_run, fleet_message, fleet_approval, fleet_wave_approval
  TO vpnmigrate_operator;
GRANT UPDATE (plan, fingerprint, role, profile, campaign, member, goal, terms, ordered, wake) ON fleet_run
  TO vpnmigrate_operator;
-- A run leaves a campaign that is replaced; one that has a journal cannot be deleted (foreign key).
GRANT DELETE ON fleet_run, fleet_message, fleet_approval TO vpnmigrate_operator;
GRANT INSERT, UPDATE ON fleet, fleet_campaign, fleet_rehearsal TO vpnmigrate_operator;
GRANT INSERT ON pgqueuer, pgqueuer_log TO vpnmigrate_operator;

-- What requests a delivery.
GRANT SELECT ON pgqueuer, pgqueuer_log TO vpnmigrate_operator;
GRANT USAGE ON SEQUENCE pgqueuer_id_seq, pgqueuer_log_id_seq
  TO vpnmigrate_worker, vpnmigrate_operator;
GRANT USAGE ON SEQUENCE pgqueuer_statistics_id_seq, pgqueuer_schedules_id_seq TO vpnmigrate_worker;

COMMIT;
