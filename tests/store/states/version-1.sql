-- A state file as session-reaper 0.1.0 as of commit 64e0a50, the last that wrote version 1, left it, as SQLite dumps it.
-- One delete by hand, pruned afterwards; then `reaper sweep` on an emulator of 3 agents with 14 sessions each (seed 7):
-- support-eu deletes at once, research marks, billing-bot is withheld and approved. Then a breaker, by its store.
BEGIN TRANSACTION;
CREATE TABLE approvals (
	"plan" VARCHAR NOT NULL, 
	project VARCHAR NOT NULL, 
	agent VARCHAR NOT NULL, 
	at FLOAT NOT NULL, 
	PRIMARY KEY ("plan", project, agent)
);
INSERT INTO "approvals" VALUES('f44fc30a7c01','prod','billing-bot',1.79572230040879869464e+09);
CREATE TABLE baselines (
	project VARCHAR NOT NULL, 
	agent VARCHAR NOT NULL, 
	now FLOAT NOT NULL, 
	sessions INTEGER NOT NULL, 
	candidates INTEGER NOT NULL, 
	"key" VARCHAR NOT NULL, 
	PRIMARY KEY (project, agent)
);
INSERT INTO "baselines" VALUES('prod','billing-bot',1795722287.0,14,2,'876f01e45dc40be4');
INSERT INTO "baselines" VALUES('prod','research',1795722287.0,14,2,'876f01e45dc40be4');
INSERT INTO "baselines" VALUES('prod','support-eu',1795722287.0,13,3,'f785f07342b86f5d');
CREATE TABLE breakers (
	project VARCHAR NOT NULL, 
	agent VARCHAR NOT NULL, 
	since FLOAT NOT NULL, 
	reason VARCHAR NOT NULL, 
	PRIMARY KEY (project, agent)
);
INSERT INTO "breakers" VALUES('prod','support-eu',1795722287.0,'3 deletes were accepted without effect');
CREATE TABLE journal (
	seq INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT, 
	at FLOAT NOT NULL, 
	kind VARCHAR NOT NULL, 
	action_id VARCHAR NOT NULL, 
	project VARCHAR NOT NULL, 
	agent VARCHAR NOT NULL, 
	session VARCHAR NOT NULL, 
	created_at INTEGER NOT NULL, 
	action VARCHAR NOT NULL, 
	rule VARCHAR NOT NULL, 
	approved INTEGER NOT NULL, 
	outcome VARCHAR NOT NULL, 
	body VARCHAR NOT NULL, 
	hash VARCHAR NOT NULL
);
INSERT INTO "journal" VALUES(3,1795722287.0,'intent','4176dd24ce6e456c9e1945d02d6398cf','prod','support-eu','Sess_769527B392918C669EE61796',1793658381,'delete','idle-a-week',0,'','{"compared": [{"actual": "19d1h", "condition": "idle", "wanted": "at least 7d"}, {"actual": "idle", "condition": "status", "wanted": "failed or idle"}, {"actual": "23d21h", "condition": "age floor", "wanted": "at least 5m"}], "latest_version": null, "plan": "d4d29a3dc908", "platform_time": 1795722287.0, "policy": "now", "policy_digest": "bd2ebd9c3893bb17", "received": "{\"agent_session_id\":\"Sess_769527B392918C669EE61796\",\"version_indicator\":{\"type\":\"version_ref\",\"agent_version\":\"1\"},\"status\":\"idle\",\"created_at\":1793658381,\"last_accessed_at\":1794076212,\"expires_at\":1796668212,\"stopped_at\":1794077112}", "received_bytes": 233, "record": {"created_at": 1793658381, "expires_at": 1796668212, "id": "Sess_769527B392918C669EE61796", "last_accessed_at": 1794076212, "status": "idle", "stopped_at": 1794077112, "strange": [], "version": "1"}, "sweep": "806578a176ac"}','36f0ddfa1eaf80fb24603a23a4e29ae45d91d5cfe5c1e722f3204fd37071d92e');
INSERT INTO "journal" VALUES(4,1795722287.0,'intent','43dd0981053c42559ce87bb3076743be','prod','support-eu','demo-000002',1794021859,'delete','idle-a-week',0,'','{"compared": [{"actual": "17d1h", "condition": "idle", "wanted": "at least 7d"}, {"actual": "idle", "condition": "status", "wanted": "failed or idle"}, {"actual": "19d16h", "condition": "age floor", "wanted": "at least 5m"}], "latest_version": null, "plan": "d4d29a3dc908", "platform_time": 1795722287.0, "policy": "now", "policy_digest": "bd2ebd9c3893bb17", "received": "{\"agent_session_id\":\"demo-000002\",\"version_indicator\":{\"type\":\"version_ref\",\"agent_version\":\"1\"},\"status\":\"idle\",\"created_at\":1794021859,\"last_accessed_at\":1794248138,\"expires_at\":1796840138,\"stopped_at\":1794249038}", "received_bytes": 215, "record": {"created_at": 1794021859, "expires_at": 1796840138, "id": "demo-000002", "last_accessed_at": 1794248138, "status": "idle", "stopped_at": 1794249038, "strange": [], "version": "1"}, "sweep": "806578a176ac"}','79e362376e349ff0a030b7e6741492e6fde7f83e9c3526b78daac4c411d46335');
INSERT INTO "journal" VALUES(5,1795722287.0,'intent','824e40a0bfc24119a958cb4a61f6f230','prod','support-eu','5ab14d5ebd63dad1ba12d672',1794821949,'delete','idle-a-week',0,'','{"compared": [{"actual": "7d19h", "condition": "idle", "wanted": "at least 7d"}, {"actual": "idle", "condition": "status", "wanted": "failed or idle"}, {"actual": "10d10h", "condition": "age floor", "wanted": "at least 5m"}], "latest_version": null, "plan": "d4d29a3dc908", "platform_time": 1795722287.0, "policy": "now", "policy_digest": "bd2ebd9c3893bb17", "received": "{\"agent_session_id\":\"5ab14d5ebd63dad1ba12d672\",\"version_indicator\":{\"type\":\"version_ref\",\"agent_version\":\"3\"},\"status\":\"idle\",\"created_at\":1794821949,\"last_accessed_at\":1795046818,\"expires_at\":1797638818,\"stopped_at\":1795050418}", "received_bytes": 228, "record": {"created_at": 1794821949, "expires_at": 1797638818, "id": "5ab14d5ebd63dad1ba12d672", "last_accessed_at": 1795046818, "status": "idle", "stopped_at": 1795050418, "strange": [], "version": "3"}, "sweep": "806578a176ac"}','18d7c207f557fe74b7ca04b2150486fe57afc65ba844266aae07dea1381d0af3');
INSERT INTO "journal" VALUES(6,1795722287.0,'outcome','4176dd24ce6e456c9e1945d02d6398cf','prod','support-eu','Sess_769527B392918C669EE61796',1793658381,'delete','idle-a-week',0,'done','{"window_seconds": 0.06571867100001327}','f197b2d546b30d53ee6f438abd6d2a86accb2593f372f1d85a3169d2b0efa0ff');
INSERT INTO "journal" VALUES(7,1795722287.0,'outcome','43dd0981053c42559ce87bb3076743be','prod','support-eu','demo-000002',1794021859,'delete','idle-a-week',0,'done','{"window_seconds": 0.16587418200003867}','cc14b33d2b3a82749f9372e91b9c05791aab37045db2268bfaac5a8ed6ace187');
INSERT INTO "journal" VALUES(8,1795722287.0,'outcome','824e40a0bfc24119a958cb4a61f6f230','prod','support-eu','5ab14d5ebd63dad1ba12d672',1794821949,'delete','idle-a-week',0,'done','{"window_seconds": 0.1649375949999694}','7b52b4539a35015005bec9fbdaa7e4aed7aa55e97c2fa5cf08d33895456a396a');
CREATE TABLE marks (
	project VARCHAR NOT NULL, 
	agent VARCHAR NOT NULL, 
	session VARCHAR NOT NULL, 
	created_at INTEGER NOT NULL, 
	seen VARCHAR NOT NULL, 
	action VARCHAR NOT NULL, 
	rule VARCHAR NOT NULL, 
	marked_at FLOAT NOT NULL, 
	ripe_at FLOAT NOT NULL, 
	PRIMARY KEY (project, agent, session, created_at)
);
INSERT INTO "marks" VALUES('prod','research','489058df5fb7de4312ddb1bc',1793723206,'{"id": "489058df5fb7de4312ddb1bc", "status": "idle", "version": "1", "created_at": 1793723206, "last_accessed_at": 1794927420, "expires_at": 1797519420, "stopped_at": 1794928320, "strange": []}','delete','idle-a-week',1795722287.0,1795808687.0);
INSERT INTO "marks" VALUES('prod','research','00c69d04a07cc56341e755a2',1794374719,'{"id": "00c69d04a07cc56341e755a2", "status": "failed", "version": "2", "created_at": 1794374719, "last_accessed_at": 1794374729, "expires_at": 1796966729, "stopped_at": null, "strange": []}','delete','idle-a-week',1795722287.0,1795808687.0);
CREATE TABLE meta (
	"key" VARCHAR NOT NULL, 
	value VARCHAR NOT NULL, 
	PRIMARY KEY ("key")
);
INSERT INTO "meta" VALUES('version','1');
INSERT INTO "meta" VALUES('journal_pruned','{"count": 2, "hash": "782de03e30024c4bce22f7a71f252d1b2d932dd066a5f85474841ec0d4361ac9"}');
CREATE TABLE plans (
	id VARCHAR NOT NULL, 
	project VARCHAR NOT NULL, 
	agent VARCHAR NOT NULL, 
	at FLOAT NOT NULL, 
	sessions BLOB NOT NULL, 
	PRIMARY KEY (id, project, agent)
);
INSERT INTO "plans" VALUES('f44fc30a7c01','prod','billing-bot',1795722293.0,X'5B5B22636232373738643838663531303966393930626339656563222C20313739343336383736332C20313739343336383737312C202264656C657465225D2C205B22336665303363663736653964626635653663333931323364222C20313739343633313736312C20313739343939313635392C202264656C657465225D5D');
INSERT INTO "plans" VALUES('89cf70561f3f','prod','billing-bot',1795722287.0,X'5B5B22636232373738643838663531303966393930626339656563222C20313739343336383736332C20313739343336383737312C202264656C657465225D2C205B22336665303363663736653964626635653663333931323364222C20313739343633313736312C20313739343939313635392C202264656C657465225D5D');
CREATE INDEX journal_by_agent ON journal (project, agent, at);
CREATE INDEX journal_by_action ON journal (action_id);
CREATE INDEX journal_by_session ON journal (session);
DELETE FROM "sqlite_sequence";
INSERT INTO "sqlite_sequence" VALUES('journal',8);
COMMIT;
