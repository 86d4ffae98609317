from django.db import migrations, models


class Migration(migrations.Migration):

    initial = True

    dependencies = []

    operations = [
        migrations.CreateModel(
            name='InstalledVersion',
            fields=[
                ('id', models.BigAutoField(primary_key=True, serialize=False)),
                ('version', models.CharField(help_text='Version of the software; empty: not known.', max_length=32)),
                ('migrations', models.JSONField(default=dict, help_text='The last migration of each app; empty: it is being installed.')),
                ('backup', models.TextField(blank=True, help_text='Directory of the backup that was made before; empty: none was.')),
                ('begun_at', models.DateTimeField(auto_now_add=True)),
                ('installed_at', models.DateTimeField(help_text='When it was complete; empty: it was interrupted.', null=True)),
                ('rolled_back_at', models.DateTimeField(null=True)),
            ],
            options={
                'default_permissions': (),
            },
        ),
    ]
