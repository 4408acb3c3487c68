BEGIN TRANSACTION;
CREATE TABLE alembic_version (
	version_num VARCHAR(32) NOT NULL, 
	CONSTRAINT alembic_version_pkc PRIMARY KEY (version_num)
);
INSERT INTO "alembic_version" VALUES('0001');
CREATE TABLE card (
	drill VARCHAR NOT NULL, 
	due VARCHAR(10) NOT NULL, 
	stability DOUBLE NOT NULL, 
	difficulty DOUBLE NOT NULL, 
	reps INTEGER NOT NULL, 
	lapses INTEGER NOT NULL, 
	level INTEGER NOT NULL, 
	first_day VARCHAR(10) NOT NULL, 
	last_day VARCHAR(10) NOT NULL, 
	last_rating INTEGER NOT NULL, 
	PRIMARY KEY (drill)
);
INSERT INTO "card" VALUES('einsum.trace','2026-03-21',7.51332036676256898033e+00,4.75285848853255732393e+00,2,0,1,'2026-03-10','2026-03-12',2);
INSERT INTO "card" VALUES('einsum.outer','2026-03-17',2.76096546389084185335e+00,6.40211506929683782374e+00,2,0,2,'2026-03-10','2026-03-13',3);
INSERT INTO "card" VALUES('hooks.patch','2026-03-13',0.212,6.4133,1,0,1,'2026-03-12','2026-03-12',1);
CREATE TABLE event (
	id VARCHAR NOT NULL, 
	replica VARCHAR NOT NULL, 
	number INTEGER NOT NULL CHECK (number >= 1), 
	order_ms BIGINT NOT NULL, 
	type VARCHAR NOT NULL, 
	mode VARCHAR NOT NULL, 
	at_ms BIGINT NOT NULL, 
	offset_min INTEGER NOT NULL, 
	study_day VARCHAR(10) NOT NULL, 
	drill VARCHAR NOT NULL, 
	level INTEGER NOT NULL, 
	seed BIGINT NOT NULL, 
	puzzle VARCHAR NOT NULL, 
	answer TEXT NOT NULL, 
	status VARCHAR, 
	wrong_turn VARCHAR, 
	attempt INTEGER NOT NULL, 
	hints INTEGER NOT NULL, 
	duration_ms BIGINT NOT NULL, 
	rating INTEGER, 
	policy VARCHAR, 
	PRIMARY KEY (id), 
	UNIQUE (replica, number), 
	FOREIGN KEY(puzzle) REFERENCES puzzle (hash)
);
INSERT INTO "event" VALUES('7da3187c54557de1207d737dc1a90fc74936790018b79e16fdccaab17978bab3','2481d55f96523bdc',1,1773133200000,'answer','review',1773133200000,60,'2026-03-10','einsum.trace',1,0,'einsum.trace-hash','i i ->','correct',NULL,1,0,1000,3,'first-answer-1/fsrs-6/0.90');
INSERT INTO "event" VALUES('eec7b81f5feb11d041ff7d6fb7231060d3fd622b2692fda0b75c80491428ce4a','2481d55f96523bdc',2,1773133200001,'answer','review',1773133200001,60,'2026-03-10','einsum.trace',1,1,'einsum.trace-hash','''ii''','correct',NULL,1,0,2000,NULL,NULL);
INSERT INTO "event" VALUES('0313362e3e532a8c93f0e3255fc5e77ee416f9c367d34c8dc7b55d4e167625d9','2481d55f96523bdc',3,1773133200002,'answer','review',1773133200002,60,'2026-03-10','einsum.outer',1,2,'einsum.outer-hash','escaped:i j -> j i\x00\ud800','wrong-shape','swapped',1,0,3000,1,'first-answer-1/fsrs-6/0.90');
INSERT INTO "event" VALUES('bab8f82baaa766c84cd8b0f2faac86973596643511c552103af3da952ce5456e','2481d55f96523bdc',4,1773306000003,'answer','review',1773306000003,60,'2026-03-12','einsum.trace',1,3,'einsum.trace-hash','ii ->','correct',NULL,1,1,4000,2,'first-answer-1/fsrs-6/0.90');
INSERT INTO "event" VALUES('d7e7340c774be4f9ff3aa27ce756813150ec96b20aa3e55b536ec809cf65c42e','2481d55f96523bdc',5,1773306000004,'shown','review',1773306000004,60,'2026-03-12','hooks.patch',1,4,'hooks.patch-hash','',NULL,NULL,1,2,5000,1,'first-answer-1/fsrs-6/0.90');
INSERT INTO "event" VALUES('b3bc71726cc89a6b96bce4dace9091094790a8b9080943f50dbdc6bc6ecfd92e','2481d55f96523bdc',6,1773392400005,'answer','review',1773392400005,60,'2026-03-13','einsum.outer',1,5,'einsum.outer-hash','i, j -> i j','correct',NULL,1,0,6000,3,'first-answer-1/fsrs-6/0.90');
CREATE TABLE meta (
	name VARCHAR NOT NULL, 
	value VARCHAR NOT NULL, 
	PRIMARY KEY (name)
);
INSERT INTO "meta" VALUES('replica','2481d55f96523bdc');
CREATE TABLE puzzle (
	hash VARCHAR NOT NULL, 
	drill VARCHAR NOT NULL, 
	kind VARCHAR NOT NULL, 
	prompt TEXT NOT NULL, 
	code TEXT NOT NULL, 
	reference TEXT NOT NULL, 
	PRIMARY KEY (hash)
);
INSERT INTO "puzzle" VALUES('einsum.trace-hash','einsum.trace','einsum','Écris einsum.trace.','x = torch.ones(2)
print(''\n'')','ref');
INSERT INTO "puzzle" VALUES('einsum.outer-hash','einsum.outer','einsum','Écris einsum.outer.','x = torch.ones(2)
print(''\n'')','ref');
INSERT INTO "puzzle" VALUES('hooks.patch-hash','hooks.patch','einsum','Écris hooks.patch.','x = torch.ones(2)
print(''\n'')','ref');
CREATE INDEX event_order ON event (order_ms, replica, number);
CREATE INDEX event_drill ON event (drill, seed);
COMMIT;
