-- A state file as the program as of commit 628449e, the last that wrote version 2, left it, as SQLite dumps it.
-- `reaper sweep` on an emulator of 3 agents with 14 sessions each (seed 7): support-eu deletes at once, research marks,
-- billing-bot is withheld and approved. Then a breaker, by its store.
BEGIN TRANSACTION;
CREATE TABLE approvals (
	"plan" VARCHAR NOT NULL, 
	project VARCHAR NOT NULL, 
	agent VARCHAR NOT NULL, 
	at FLOAT NOT NULL, 
	PRIMARY KEY ("plan", project, agent)
);
INSERT INTO "approvals" VALUES('4cfa0f44d152e10ccc9edf4a69d84bc0','prod','billing-bot',1.79572223547081112867e+09);
CREATE TABLE baselines (
	project VARCHAR NOT NULL, 
	agent VARCHAR NOT NULL, 
	now FLOAT NOT NULL, 
	sessions INTEGER NOT NULL, 
	spread VARCHAR NOT NULL, 
	PRIMARY KEY (project, agent)
);
INSERT INTO "baselines" VALUES('prod','billing-bot',1795722228.0,14,'[1795722228.0, [10, 7, 7, 6, 4, 2, 2, 1, 1, 0, 0, 0, 0, 0], [12, 12, 12, 12, 11, 11, 11, 10, 8, 4, 0, 0, 0, 0], 14]');
INSERT INTO "baselines" VALUES('prod','research',1795722228.0,14,'[1795722228.0, [10, 9, 6, 5, 2, 2, 2, 1, 1, 0, 0, 0, 0, 0], [13, 13, 13, 12, 12, 10, 9, 9, 8, 5, 0, 0, 0, 0], 14]');
INSERT INTO "baselines" VALUES('prod','support-eu',1795722228.0,14,'[1795722228.0, [10, 9, 9, 7, 7, 5, 4, 3, 3, 1, 0, 0, 0, 0], [13, 13, 13, 12, 12, 12, 11, 11, 10, 5, 0, 0, 0, 0], 14]');
CREATE TABLE breakers (
	project VARCHAR NOT NULL, 
	agent VARCHAR NOT NULL, 
	since FLOAT NOT NULL, 
	reason VARCHAR NOT NULL, 
	PRIMARY KEY (project, agent)
);
INSERT INTO "breakers" VALUES('prod','support-eu',1.79572223547081112867e+09,'3 deletes were accepted without effect');
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
INSERT INTO "journal" VALUES(1,1.79572222798676347727e+09,'event','6f401aa76e2240a68e9c4ccfdeb0d63f','','','',0,'keep','configuration',0,'noted','{"digest": "16d8b7cb97d8", "modes": {"careful": "enforce", "later": "enforce", "now": "enforce"}, "origin": {"by": "root", "configuration": "16d8b7cb97d8", "host": "vm", "version": "0.1.0"}}','687646ec2e0e190770d860064039f06cc60494e5844c26307a3b07c19d5b99e8');
INSERT INTO "journal" VALUES(2,1.79572222798676347727e+09,'event','c29daeee2e8248a394d64df8803f3819','','','',0,'keep','mode',0,'noted','{"mode": "enforce", "origin": {"by": "root", "configuration": "16d8b7cb97d8", "host": "vm", "version": "0.1.0"}, "policy": "now"}','8331012802a900fbb1b5f8cbf17830360c72995ee8e8a472a5efc9d79ac2d351');
INSERT INTO "journal" VALUES(3,1.79572222798676347727e+09,'event','cd418ba308854e6b9b6c8bd67bf2d797','','','',0,'keep','mode',0,'noted','{"mode": "enforce", "origin": {"by": "root", "configuration": "16d8b7cb97d8", "host": "vm", "version": "0.1.0"}, "policy": "later"}','80f3dc3d1cb4648409110a9100358f96b1d62add84054d111260264ceebf1bf2');
INSERT INTO "journal" VALUES(4,1.79572222798676347727e+09,'event','954571882b6c483e89bc9d9629a5bb8d','','','',0,'keep','mode',0,'noted','{"mode": "enforce", "origin": {"by": "root", "configuration": "16d8b7cb97d8", "host": "vm", "version": "0.1.0"}, "policy": "careful"}','12a68bc61af2e0d4d609754ca89326841df7328a3ab514cbe4f6a1805b592cf3');
INSERT INTO "journal" VALUES(5,1795722228.0,'event','e852058dfa1642acb3d66bef6b303103','prod','billing-bot','',0,'keep','plans',0,'noted','{"covers": {"plans": {"digest": "cd9b11f7b453928aafd96236b48fbc9ff73b1c24f01062a351abb6efee9326d4", "rows": 1}}, "plans": ["4cfa0f44d152e10ccc9edf4a69d84bc0"]}','cae5c737622b06a704aab9850bee167560f9b41c4bb5bc5e8ec78899a74cc498');
INSERT INTO "journal" VALUES(6,1795722228.0,'event','d82014c1fe484a2eb49dc25f84b22f2e','prod','research','',0,'keep','marks',0,'noted','{"came": 2, "covers": {"marks": {"digest": "7905c35dabac60e2b0873cf0170abf4d6141935777119a8a46f6f3f08c6a2956", "rows": 2}}, "left": 0}','60ae1f65ddc6a09da53ac313ea58500e0cbdc3d0269098ac6d3a3327cd38e0d1');
INSERT INTO "journal" VALUES(7,1795722228.0,'intent','3a1a7a25497f44b3bce7ec26f1031b83','prod','support-eu','f45c6006bcdfed942ada80d1',1793514562,'delete','idle-a-week',0,'','{"compared": [{"actual": "25d13h", "condition": "idle", "wanted": "at least 7d"}, {"actual": "failed", "condition": "status", "wanted": "failed or idle"}, {"actual": "25d13h", "condition": "age floor", "wanted": "at least 5m"}], "latest_version": null, "origin": {"by": "root", "configuration": "16d8b7cb97d8", "endpoint": "http://127.0.0.1:43907/api/projects/emulated", "host": "vm", "version": "0.1.0"}, "plan": "0745ca7c00b5d8ae729c226188ceab19", "platform_time": 1795722228.0, "policy": "now", "policy_digest": "bd2ebd9c3893bb17", "received": "{\"agent_session_id\":\"f45c6006bcdfed942ada80d1\",\"version_indicator\":{\"type\":\"version_ref\",\"agent_version\":\"1\"},\"status\":\"failed\",\"created_at\":1793514562,\"last_accessed_at\":1793514594,\"expires_at\":1796106594}", "received_bytes": 206, "record": {"created_at": 1793514562, "expires_at": 1796106594, "id": "f45c6006bcdfed942ada80d1", "last_accessed_at": 1793514594, "status": "failed", "stopped_at": null, "strange": [], "version": "1"}, "sweep": "a9360fb36a6c"}','9c8149ef26549ac5eb0e032757c8397cc81763994d4c42316a6fdf0093a89771');
INSERT INTO "journal" VALUES(8,1795722228.0,'outcome','3a1a7a25497f44b3bce7ec26f1031b83','prod','support-eu','f45c6006bcdfed942ada80d1',1793514562,'delete','idle-a-week',0,'done','{"request_id": "00000000000000000000000000000005", "window_seconds": 0.014412301999982446}','fef9b7dbac4430bba9983dc6e61a028b4caaed81537405781b367fb750622bed');
INSERT INTO "journal" VALUES(9,1795722228.0,'intent','db477490d3384cadb8975f6fa59cfc8e','prod','support-eu','Sess_769527B392918C669EE61796',1793658338,'delete','idle-a-week',0,'','{"compared": [{"actual": "19d1h", "condition": "idle", "wanted": "at least 7d"}, {"actual": "idle", "condition": "status", "wanted": "failed or idle"}, {"actual": "23d21h", "condition": "age floor", "wanted": "at least 5m"}], "latest_version": null, "origin": {"by": "root", "configuration": "16d8b7cb97d8", "endpoint": "http://127.0.0.1:43907/api/projects/emulated", "host": "vm", "version": "0.1.0"}, "plan": "0745ca7c00b5d8ae729c226188ceab19", "platform_time": 1795722228.0, "policy": "now", "policy_digest": "bd2ebd9c3893bb17", "received": "{\"agent_session_id\":\"Sess_769527B392918C669EE61796\",\"version_indicator\":{\"type\":\"version_ref\",\"agent_version\":\"1\"},\"status\":\"idle\",\"created_at\":1793658338,\"last_accessed_at\":1794076169,\"expires_at\":1796668169,\"stopped_at\":1794077069}", "received_bytes": 233, "record": {"created_at": 1793658338, "expires_at": 1796668169, "id": "Sess_769527B392918C669EE61796", "last_accessed_at": 1794076169, "status": "idle", "stopped_at": 1794077069, "strange": [], "version": "1"}, "sweep": "a9360fb36a6c"}','ce80da72f7de6fbb76f256255aea97bba88a6b090ffbebfa6f0515b20e19645b');
INSERT INTO "journal" VALUES(10,1795722228.0,'intent','21ac4cf3fe614a1b88bbff34b4f9ed90','prod','support-eu','demo-000002',1794021816,'delete','idle-a-week',0,'','{"compared": [{"actual": "17d1h", "condition": "idle", "wanted": "at least 7d"}, {"actual": "idle", "condition": "status", "wanted": "failed or idle"}, {"actual": "19d16h", "condition": "age floor", "wanted": "at least 5m"}], "latest_version": null, "origin": {"by": "root", "configuration": "16d8b7cb97d8", "endpoint": "http://127.0.0.1:43907/api/projects/emulated", "host": "vm", "version": "0.1.0"}, "plan": "0745ca7c00b5d8ae729c226188ceab19", "platform_time": 1795722228.0, "policy": "now", "policy_digest": "bd2ebd9c3893bb17", "received": "{\"agent_session_id\":\"demo-000002\",\"version_indicator\":{\"type\":\"version_ref\",\"agent_version\":\"1\"},\"status\":\"idle\",\"created_at\":1794021816,\"last_accessed_at\":1794248095,\"expires_at\":1796840095,\"stopped_at\":1794248995}", "received_bytes": 215, "record": {"created_at": 1794021816, "expires_at": 1796840095, "id": "demo-000002", "last_accessed_at": 1794248095, "status": "idle", "stopped_at": 1794248995, "strange": [], "version": "1"}, "sweep": "a9360fb36a6c"}','f280903bc310bff9a0d471f97751befd0a2350d5586b7eb948be8d5e8a6683ec');
INSERT INTO "journal" VALUES(11,1795722228.0,'intent','5c10926c857542649548974ec583a043','prod','support-eu','5ab14d5ebd63dad1ba12d672',1794821906,'delete','idle-a-week',0,'','{"compared": [{"actual": "7d19h", "condition": "idle", "wanted": "at least 7d"}, {"actual": "idle", "condition": "status", "wanted": "failed or idle"}, {"actual": "10d10h", "condition": "age floor", "wanted": "at least 5m"}], "latest_version": null, "origin": {"by": "root", "configuration": "16d8b7cb97d8", "endpoint": "http://127.0.0.1:43907/api/projects/emulated", "host": "vm", "version": "0.1.0"}, "plan": "0745ca7c00b5d8ae729c226188ceab19", "platform_time": 1795722228.0, "policy": "now", "policy_digest": "bd2ebd9c3893bb17", "received": "{\"agent_session_id\":\"5ab14d5ebd63dad1ba12d672\",\"version_indicator\":{\"type\":\"version_ref\",\"agent_version\":\"3\"},\"status\":\"idle\",\"created_at\":1794821906,\"last_accessed_at\":1795046775,\"expires_at\":1797638775,\"stopped_at\":1795050375}", "received_bytes": 228, "record": {"created_at": 1794821906, "expires_at": 1797638775, "id": "5ab14d5ebd63dad1ba12d672", "last_accessed_at": 1795046775, "status": "idle", "stopped_at": 1795050375, "strange": [], "version": "3"}, "sweep": "a9360fb36a6c"}','31230052686ddfcf652a4ce50cae2f60bd509d4f1412e21ffcf906bba5873775');
INSERT INTO "journal" VALUES(12,1795722228.0,'outcome','db477490d3384cadb8975f6fa59cfc8e','prod','support-eu','Sess_769527B392918C669EE61796',1793658338,'delete','idle-a-week',0,'done','{"request_id": "0000000000000000000000000000000b", "window_seconds": 0.05216666499995881}','898f863602ad9544075570f616aec0884d8bf575fabfc4914f18ee78aaabae21');
INSERT INTO "journal" VALUES(13,1795722228.0,'outcome','21ac4cf3fe614a1b88bbff34b4f9ed90','prod','support-eu','demo-000002',1794021816,'delete','idle-a-week',0,'done','{"request_id": "0000000000000000000000000000000d", "window_seconds": 0.0787882309999759}','c9496680a29d75fbf4d242065b47b42081f75e8a6660a868eac7a699d2500762');
INSERT INTO "journal" VALUES(14,1795722228.0,'outcome','5c10926c857542649548974ec583a043','prod','support-eu','5ab14d5ebd63dad1ba12d672',1794821906,'delete','idle-a-week',0,'done','{"request_id": "0000000000000000000000000000000f", "window_seconds": 0.09428650799998195}','01b69cb80737549fcc70793dbb076afa19e4e71845cb2379d69872b35cbe7034');
INSERT INTO "journal" VALUES(15,1795722228.0,'event','a193eebee1924ccfb11231b9f612044b','prod','billing-bot','',0,'keep','plans',0,'noted','{"covers": {"plans": {"digest": "738d1c1f053f3d073d684b6f7d486e6e84a7e43f5e349a6efc2ce977cad5c2ef", "rows": 2}}, "plans": ["08d5eb1788bd1fe8569b0905f62ac239"]}','12da6150ec76052ebff1800364f3fda1eb49ccaf9adaf62ca7a743b5e4c64ebf');
INSERT INTO "journal" VALUES(16,1.79572223547081112867e+09,'event','a0ec5a50ea9640699545b6a35d322672','prod','billing-bot','',0,'keep','approved',0,'noted','{"by": "root", "configuration": "16d8b7cb97d8", "covers": {"approvals": {"digest": "622d17d610cd0b7479d41cfb096de8395df5ed4a5f78c600597876a492e0f91c", "rows": 1}}, "host": "vm", "plan": "4cfa0f44d152e10ccc9edf4a69d84bc0", "standing": false, "version": "0.1.0"}','93cc9e9710117ee128f372fecf6bb9407f3091695b8cc56bcb6e9eeca1152ecd');
INSERT INTO "journal" VALUES(17,1.79572223547081112867e+09,'event','11ea5a40531241caa9a12ad5f011ad91','prod','support-eu','',0,'keep','breaker_latched',0,'noted','{"covers": {"breakers": {"digest": "f2dd3f2557a8e03f81610c73bdd9b4a9bbf7679ca96790799181646a6a8cab65", "rows": 1}}, "reason": "3 deletes were accepted without effect"}','b50c0e6b7ad13b60e8046b4de2795200dc50894395e66c5a9e56e6ed53e6e949');
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
INSERT INTO "marks" VALUES('prod','research','489058df5fb7de4312ddb1bc',1793723163,'{"id": "489058df5fb7de4312ddb1bc", "status": "idle", "version": "1", "created_at": 1793723163, "last_accessed_at": 1794927377, "expires_at": 1797519377, "stopped_at": 1794928277, "strange": []}','delete','idle-a-week',1795722228.0,1795808628.0);
INSERT INTO "marks" VALUES('prod','research','00c69d04a07cc56341e755a2',1794374676,'{"id": "00c69d04a07cc56341e755a2", "status": "failed", "version": "2", "created_at": 1794374676, "last_accessed_at": 1794374686, "expires_at": 1796966686, "stopped_at": null, "strange": []}','delete','idle-a-week',1795722228.0,1795808628.0);
CREATE TABLE meta (
	"key" VARCHAR NOT NULL, 
	value VARCHAR NOT NULL, 
	PRIMARY KEY ("key")
);
INSERT INTO "meta" VALUES('version','2');
INSERT INTO "meta" VALUES('last ["configuration", ""]','{"digest": "16d8b7cb97d8", "modes": {"careful": "enforce", "later": "enforce", "now": "enforce"}}');
INSERT INTO "meta" VALUES('last ["mode", "now"]','{"mode": "enforce", "policy": "now"}');
INSERT INTO "meta" VALUES('last ["mode", "later"]','{"mode": "enforce", "policy": "later"}');
INSERT INTO "meta" VALUES('last ["mode", "careful"]','{"mode": "enforce", "policy": "careful"}');
INSERT INTO "meta" VALUES('sum ["plans", "prod", "billing-bot"]','{"sum": "8743f6245daca746def2dd634a92a22f9afa31e3fe5231992ba7a91143c66ffb20d3ee9f74f522d2546384cd9cadc5ceeb110ce8b62cf07d1ccc6a417d32713b6bf4f96df3d9181f8dabbea30ebfc271141badf5d621cad115a66b2af37d1c39788a0ef593d7f2f48fca8aaf9b3dadef024cd9373197f5c2b7e7eb67d3387e81517d6115d3558f3ae876dea011959e26d24c57dff310d071637fe443d850dd162e4185255fe0cdc6dc7d52a937c19a3979dcdd5025733abb1de6f433ec2d5479f9368cd505b60ba95c1b6489841b6558730643b05b110aa811ad1206fe28a07aff950de11fdf2c3834343bf76ec8cbfc089fbc0773e02b28159971dc74fc97fa", "rows": 2, "seq": 15}');
INSERT INTO "meta" VALUES('sum ["marks", "prod", "research"]','{"sum": "93d6d3a9bd1fb8cdcd6e74401010ecb5f3ec97a0550ecbab79b6395459b082af95f7d7fa37564d55cae6aeb2b12e0d686b634608eed43c2e6cda34658c2d6031d3662ed4f7acba828ba4984e808fb9d6e9aeaa139b8b219b9c4eead229ea5f76a9d2749d2a6d2a6dabdfff6ad711eecc990959c6126b7b396673485428f145890196bd89a620f2bcb9bc67c78f07c2659854c71076dc754237db276cbec58974ecfc86cd39361f9ff7f71b6f91d316674053d525d8fc2c984e24c1162937748c51c8e0e1269dcaa9c5c9ed80680779d385f0023b5264e000ae06ec8142d33fba72a2089503fc503ad1ba21c5a0a46125f444529a273f3b7df9d593466b04dea0", "rows": 2, "seq": 6}');
INSERT INTO "meta" VALUES('sum ["approvals", "prod", "billing-bot"]','{"sum": "9263553dc20de8e1321ac0b24ae647fbfd9c6fefa21f7a730f2d246233e83e79780766a9f3db91ff359e7f2aa311b14010b7493d8997172bf76d4e7ae3994f780c8433e100e7833c8ee733c89af095e01360042e8e4cd3777dd113a0fd20e633e7805e87461efdde50c816735ad5dedad56f5c54a63fc5bd89e30d686f590e93d5da16c0331965ac6fdd7f4833667bbbe9999f9cae5ec112568b7ad1a4078ad170e8b42f9accb3c80c89af279a7eba46b2d2505dc16617db1eb5b191848e4c0cec85367b10919156af5f4814c9c45d76a326fa8bbdc857152e40eafdd1b7745ed624a42c224c56a5a279246f77120e3d11a21fc9c5001941ca960e995f9db5e6", "rows": 1, "seq": 16}');
INSERT INTO "meta" VALUES('sum ["breakers", "prod", "support-eu"]','{"sum": "5bb9fad11cddf0c8925f2375a1bd1720a53522904783c4e8b673079c2380fd1164a163392c46620dec19a640296ccc4108d3dc354190601f6dcf496e6e73fdf4e5534f1ea2c591cd7fa8318896236de33f2b10e65b1913060dc7402c26e514ce51420eaac6ad3878c3e71f8a3e12f181899448317557d5cf86dd225f81e46657001fdc5f5984c704591cc2fee187d18e86cfca792f26a251498d8a0267001464cf0c1f87c0369ee9ceef23a81ab83c9a6842fbb54a26de4e19dcd5ab12192e355ed71557075cc754a3c5578c6678a64365551166e16310086303d3373786b8f2394d048c213e74634505048c8c6daa3fdc5820e02375f03c1c0728b91ae54cd3", "rows": 1, "seq": 17}');
CREATE TABLE plans (
	id VARCHAR NOT NULL, 
	project VARCHAR NOT NULL, 
	agent VARCHAR NOT NULL, 
	at FLOAT NOT NULL, 
	sessions BLOB NOT NULL, 
	PRIMARY KEY (id, project, agent)
);
INSERT INTO "plans" VALUES('4cfa0f44d152e10ccc9edf4a69d84bc0','prod','billing-bot',1795722231.0,X'616C6C0A64656C65746520336665303363663736653964626635653663333931323364203137393436333137313820313739343939313631360A64656C6574652063623237373864383866353130396639393062633965656320313739343336383732302031373934333638373238');
INSERT INTO "plans" VALUES('08d5eb1788bd1fe8569b0905f62ac239','prod','billing-bot',1795722228.0,X'6F662034636661306634346431353265313063636339656466346136396438346263300A');
CREATE INDEX journal_by_action ON journal (action_id);
CREATE INDEX journal_by_session ON journal (session);
CREATE INDEX journal_by_agent ON journal (project, agent, at);
DELETE FROM "sqlite_sequence";
INSERT INTO "sqlite_sequence" VALUES('journal',17);
COMMIT;
